"""How high a CUSUM of surprise may climb before it is an alarm, from a budget of false ones.

The engineer says how many false alarms a machine-week he bears; the limit follows from normal
hours that the bank has not seen. They are drawn again and again in blocks as long as the evidence
hangs together (Kuensch, Annals of Statistics 17 (1989) 1217-1241): each time as the past that
p-values are told by, and as the weeks that then come, so that the limit allows for both how rare
a false alarm is to be and how little the past can tell of it. Where it is too little, nothing is
promised: the limit is None, and why is said.
"""

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.novelty import p_values

Series = NDArray[np.float64]
Places = NDArray[np.int64]

DRIFT = 1.5
"""Taken off -ln p in each step of the CUSUM: above 1, the mean under normal."""
LEAST_BLOCKS = 18
"""Blocks of normal hours that a limit is estimated from, at least."""
LONGEST_BLOCK_HOURS = 24

_WEEK_SECONDS = 604_800.0
_HOUR_SECONDS = 3600.0
_WORLDS = 32
_RUNS = 16
_RUN_STEPS = 2016
_STILL_LINKED = 0.15
_SLOWEST_STEPS = 12
"""A limit that a machine strange beyond all normal does not reach in so many steps is no use."""
_KEPT_SHARE = 0.97
"""Of the re-drawn pasts, in so many the limit keeps the budget."""
_COUNTABLE = 5.0


@dataclass(frozen=True, slots=True)
class Limit:
    """The CUSUM level that is an alarm; None where none can be told, and then `why`.

    `blocks`: how many stretches it was told from; `block_hours`: their length. `why`: `hours` (too
    few blocks) or `unsteady` (only a level that no fault would reach in time keeps the budget).
    """

    level: float | None
    blocks: int
    block_hours: int
    why: str = ""


def cusum_limit(  # noqa: PLR0913 - scores, when, and how they are followed
    scores: Series,
    seconds: Series,
    *,
    budget: float,
    step_seconds: float,
    least_hours: int = 1,
    drift: float = DRIFT,
) -> Limit:
    """Return the level that a CUSUM of -ln p passes `budget` times a machine-week of normal.

    Args:
        scores: Of later normals, one a step, in order of time, shape (steps,).
        seconds: When they were, shape (steps,).
        budget: False alarms a machine-week, above 0.
        step_seconds: Pause between steps.
        least_hours: How long evidence is known to hang together, whatever the scores show, 1..24.
        drift: Taken off in each step, above 1.
    """
    told = -np.log(p_values(scores, scores.astype(np.float32)))
    hours = max(least_hours, block_hours(told, step_seconds))
    blocks = blocked(seconds, hours * _HOUR_SECONDS)
    if len(blocks) < LEAST_BLOCKS:
        return Limit(None, len(blocks), hours, "hours")
    level = _level(scores, blocks, budget * step_seconds / _WEEK_SECONDS, drift)
    if level > _SLOWEST_STEPS * (log(len(scores) + 1) - drift):
        return Limit(None, len(blocks), hours, "unsteady")
    return Limit(max(level, drift), len(blocks), hours)


def block_hours(told: Series, step_seconds: float) -> int:
    """Return how long evidence hangs together, in whole hours, 1..24.

    Twice the lag at which its autocorrelation has died away, an hour at least.
    """
    if not len(told):
        return 1
    centred = told - told.mean()
    power = float(centred @ centred)
    longest = min(len(told) // 3, round(LONGEST_BLOCK_HOURS * _HOUR_SECONDS / step_seconds))
    lag = 1
    while lag < longest and float(centred[lag:] @ centred[:-lag]) > _STILL_LINKED * power:
        lag += 1
    hours = -(-2 * (lag - 1) * step_seconds // _HOUR_SECONDS)
    return int(min(max(1, hours), LONGEST_BLOCK_HOURS))


def blocked(seconds: Series, length_seconds: float) -> Places:
    """Return the places of the steps in each block of the clock, -1 beyond its end.

    >>> blocked(np.array([0.0, 10.0, 3600.0]), 3600.0).tolist()
    [[0, 1], [2, -1]]
    """
    number = np.floor(seconds / length_seconds).astype(np.int64)
    parts = [np.flatnonzero(number == one) for one in np.unique(number)]
    blocks = np.full((len(parts), max(map(len, parts), default=0)), -1, np.int64)
    for row, part in enumerate(parts):
        blocks[row, : len(part)] = part
    return blocks


def _level(scores: Series, blocks: Places, rate: float, drift: float) -> float:
    """Return the level that excursions of the CUSUM from 0 pass at most `rate` times a step.

    Each of some worlds has a past of its own, as many blocks drawn with replacement, and runs of
    what comes; the level keeps the rate in most of them.
    """
    rng = np.random.default_rng(len(scores))
    pasts = blocks[rng.integers(len(blocks), size=(_WORLDS, len(blocks)))].reshape(_WORLDS, -1)
    told = np.stack(
        [-np.log(p_values(scores, scores[past[past >= 0]].astype(np.float32))) for past in pasts]
    )
    told = np.concatenate([told, np.full((_WORLDS, 1), np.nan)], axis=1)  # the place -1
    world, tops = np.arange(_WORLDS)[:, None], _Tops(_WORLDS, _RUNS, drift)
    for _ in range(max(1, _RUN_STEPS // blocks.shape[1])):
        drawn = blocks[rng.integers(len(blocks), size=(_WORLDS, _RUNS))]
        for places in np.moveaxis(drawn, 2, 0):
            tops.step(told[world, places])
    return float(np.quantile(tops.levels(rate), _KEPT_SHARE))


class _Tops:
    """The highest points of a CUSUM's excursions from 0, in many runs of many worlds at once."""

    def __init__(self, worlds: int, runs: int, drift: float) -> None:
        self._level = np.zeros((worlds, runs))
        self._top = np.zeros((worlds, runs))
        self._steps = np.zeros(worlds)
        self._drift = drift
        self._found: list[tuple[Places, Series]] = []

    def step(self, told: Series) -> None:
        """Move all runs on by the evidence (worlds, runs); NaN moves nothing."""
        here = ~np.isnan(told)
        self._steps += here.sum(axis=1)
        moved = np.maximum(0.0, self._level + told - self._drift)
        self._level = np.where(here, moved, self._level)
        self._top = np.maximum(self._top, self._level)
        self._note((self._level == 0) & (self._top > 0))

    def levels(self, rate: float) -> Series:
        """Return the level of each world that is passed `rate` times a step, shape (worlds,)."""
        self._note(self._top > 0)
        world, tops = (np.concatenate(part) for part in zip(*self._found, strict=True))
        highest = [np.sort(tops[world == one])[::-1] for one in range(len(self._steps))]
        wanted = rate * self._steps
        return np.array([_height(*pair) for pair in zip(highest, wanted.tolist(), strict=True)])

    def _note(self, over: NDArray[np.bool_]) -> None:
        self._found.append((np.nonzero(over)[0], self._top[over]))
        self._top[over] = 0.0


def _height(highest: Series, wanted: float) -> float:
    """Return the height that `wanted` of the excursions reach.

    Where that is fewer than can be counted, the tail, which falls off exponentially, is drawn out.
    """
    if not len(highest):
        return 0.0
    if wanted >= _COUNTABLE:
        return float(highest[min(len(highest) - 1, round(wanted))])
    first = min(len(highest) - 1, 50)
    slope = float(np.mean(highest[:first] - highest[first])) if first else 0.0
    return float(highest[first] + slope * log(max(first, 1) / max(wanted, 1e-9)))
