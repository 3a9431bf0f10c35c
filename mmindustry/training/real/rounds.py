"""AUROC within rounds, and the bootstrap over whole groups."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Truth = NDArray[np.bool_]

_DRAWS = 500


def pairs_in_order(scores: Numbers, truth: Truth, rounds: NDArray[np.int64]) -> Numbers:
    """Return (rounds that hold both classes, 2): pairs in order (ties half), and pairs."""
    found = []
    for number in np.unique(rounds):
        here = rounds == number
        positive, negative = scores[here & truth], scores[here & ~truth]
        if len(positive) and len(negative):
            gap = positive[:, None] - negative
            found.append(((gap > 0).sum() + 0.5 * (gap == 0).sum(), gap.size))
    return np.array(found, np.float64).reshape(-1, 2)


def share_of(pairs: Numbers) -> float:
    """Return the share of pairs in order; NaN of none."""
    return float(pairs[:, 0].sum() / pairs[:, 1].sum()) if len(pairs) else float("nan")


def interval(
    figure: Callable[[NDArray[np.int64]], float], groups: int, *, seed: int = 7, draws: int = _DRAWS
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a figure of groups drawn with replacement."""
    random = np.random.default_rng(seed)
    found = np.array([figure(random.integers(groups, size=groups)) for _ in range(draws)])
    if not groups or np.isnan(found).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(found, (0.025, 0.975))
    return float(low), float(high)
