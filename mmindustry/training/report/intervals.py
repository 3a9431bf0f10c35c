"""How sure a figure is: bootstrap over episodes, since windows of one episode are no two facts."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Statistic = Callable[[Rows], float]

DRAWS = 300
"""Resamples behind a 95 % interval."""


def episodes_of(group: NDArray[np.str_], fault: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each window's episode, (windows,), for windows in their order.

    An episode is a run of windows of one group in one condition.

    >>> episodes_of(np.array(["a", "a", "a", "b"]), np.array([0, 0, 2, 2])).tolist()
    [0, 0, 1, 2]
    """
    changed = (group[1:] != group[:-1]) | (fault[1:] != fault[:-1])
    numbers: NDArray[np.int64] = np.concatenate([[0], np.cumsum(changed)]).astype(np.int64)
    return numbers[: len(group)]


def resamples(blocks: NDArray[np.int64], *, draws: int = DRAWS, seed: int = 0) -> Iterator[Rows]:
    """Yield row numbers of `draws` resamples, whole blocks drawn with replacement."""
    random = np.random.default_rng(seed)
    order = np.argsort(blocks, kind="stable")
    _, starts = np.unique(blocks[order], return_index=True)
    members = np.split(order, starts[1:])
    for _ in range(draws):
        picked = random.integers(len(members), size=len(members))
        yield np.concatenate([members[at] for at in picked])


def interval(
    statistic: Statistic, blocks: NDArray[np.int64], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic of rows; NaN where it can't be told."""
    found = np.array([statistic(rows) for rows in resamples(blocks, draws=draws, seed=seed)])
    if np.isnan(found).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(found, (0.025, 0.975))
    return float(low), float(high)


def pivotal_interval(
    statistic: Statistic, blocks: NDArray[np.int64], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % basic interval of an error that leans upwards, such as ECE; never below 0.

    Resampling adds its own noise to such an estimate, so percentiles lie above it; mirrored at the
    estimate they lie where the truth is (Davison & Hinkley, 1997, 5.2).
    """
    low, high = interval(statistic, blocks, draws=draws, seed=seed)
    told = statistic(np.arange(len(blocks)))
    return max(0.0, 2 * told - high), max(0.0, 2 * told - low)
