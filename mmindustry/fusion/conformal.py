"""Sets and intervals that hold the truth as often as they say, fitted on held-out machines.

Split conformal prediction (Vovk et al., 2005) in deterministic forms: no answer depends on a
random number, so a replay says the same. Numpy only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import BundleError

Array = NDArray[np.float64]

LEVEL = 0.9
"""Share of windows whose truth a set or an interval shall hold."""

LEAST_WINDOWS = 30
"""Windows of one class and asset type below which the limit of all types stands in."""

LEAST_UNITS = 5
"""Runs to failure below which nothing is told of the interval's coverage."""

EVERY_KIND = ""
"""Stands for asset types that had too few windows to have limits of their own."""

_ROUNDING = 1e-9


def mass_above(probabilities: Array) -> Array:
    """Return for each class the probability of all that are likelier, (batch, classes) in 0..1.

    The score of adaptive prediction sets (Romano, Sesia and Candes, NeurIPS 2020) without its
    random share of the class's own mass: 0 for the likeliest class, so that it is always in.

    >>> mass_above(np.array([[0.5, 0.2, 0.3]])).tolist()
    [[0.0, 0.8, 0.5]]
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    scores = np.empty_like(before)
    np.put_along_axis(scores, order, before, axis=1)
    return scores


def limit_of(scores: Array, level: float) -> float:
    """Return the smallest limit that holds the next score with probability `level`.

    The ceil((n + 1) level)-th smallest; infinite where there are too few.

    >>> limit_of(np.arange(19.0), 0.9)
    17.0
    """
    rank = int(np.ceil((len(scores) + 1) * level - _ROUNDING))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else float("inf")


@dataclass(frozen=True, slots=True)
class ClassSets:
    """Which classes can't be ruled out at `level`.

    `limits`: asset type -> limit of each class, in the order of the classes; `EVERY_KIND` always
    there. Limits by class (label-conditional, Vovk 2012) hold for every class by itself, so that
    the promise stands however rare faults are where the bundle serves.
    """

    level: float
    limits: Mapping[str, tuple[float, ...]]

    def members(self, probabilities: Array, kinds: Sequence[str]) -> NDArray[np.bool_]:
        """Return which classes are in each window's set, (batch, classes)."""
        every = self.limits[EVERY_KIND]
        limits = np.array([self.limits.get(kind, every) for kind in kinds])
        inside: NDArray[np.bool_] = mass_above(probabilities) <= limits + _ROUNDING
        return inside


def fit_class_sets(
    probabilities: Array, labels: NDArray[np.int64], kinds: NDArray[np.str_], *, level: float
) -> ClassSets:
    """Return limits from held-out windows, by class and, where there are enough, asset type.

    Args:
        probabilities: (windows, classes) as they will be served.
        labels: (windows,) indices of the true classes.
        kinds: (windows,) asset types; empty = not known.
        level: Share of windows to hold, 0..1.
    """
    classes = probabilities.shape[1]
    scores = mass_above(probabilities)[np.arange(len(labels)), labels]
    pooled = limit_of(scores, level)
    every = [_limit(scores[labels == c], level, otherwise=pooled) for c in range(classes)]
    limits = {EVERY_KIND: tuple(every)}
    for kind in sorted(set(kinds.tolist()) - {EVERY_KIND}):
        mine = kinds == kind
        limits[kind] = tuple(
            _limit(scores[mine & (labels == c)], level, otherwise=every[c]) for c in range(classes)
        )
    return ClassSets(level, limits)


def _limit(scores: Array, level: float, *, otherwise: float) -> float:
    found = limit_of(scores, level) if len(scores) >= LEAST_WINDOWS else otherwise
    return min(found, 1.0)  # no mass is above 1: every class is in


@dataclass(frozen=True, slots=True)
class LifeInterval:
    """By how much the interval of remaining life is stretched to hold the truth at `level`.

    `stretch`: nats of log time added on either side; below 0 the interval is narrowed.
    """

    level: float
    stretch: float

    def stretched(self, life: Array, longest: float) -> Array:
        """Return quantiles (batch, 3) of remaining life with the outer two moved.

        They never cross the median; an end at `longest` stays: "at least so long".
        """
        low = np.minimum(life[:, 0] * np.exp(-self.stretch), life[:, 1])
        high = np.maximum(life[:, 2] * np.exp(self.stretch), life[:, 1])
        high = np.where(life[:, 2] >= longest, life[:, 2], np.minimum(high, longest))
        return np.stack([low, life[:, 1], high], axis=1)


def fit_life(
    life: Array, hours: Array, units: NDArray[np.str_], *, level: float
) -> LifeInterval | None:
    """Return the stretch by conformalised quantile regression (Romano et al., NeurIPS 2019).

    The score of a window is how far, in log time, its failure lies outside its interval. Windows
    of one run to failure are no independent draws: each unit weighs the same, however many windows
    it has (distributions of units pooled, Dunn, Wasserman and Ramdas, JASA 2023: right on average
    over units; a guarantee for few units would stretch threefold).

    Args:
        life: (windows, 3) 5, 50 and 95 % quantiles.
        hours: (windows,) to the failure that was seen, above 0.
        units: (windows,) the run to failure of each.
        level: Share to hold.

    Returns:
        None where there are fewer than `LEAST_UNITS` units.
    """
    names, counts = np.unique(units, return_counts=True)
    if len(names) < LEAST_UNITS:
        return None
    log_hours = np.log(hours)
    outside = np.maximum(np.log(life[:, 0]) - log_hours, log_hours - np.log(life[:, 2]))
    size = dict(zip(names.tolist(), counts.tolist(), strict=True))
    weight = np.array([1.0 / size[unit] for unit in units.tolist()]) / len(names)
    order = np.argsort(outside, kind="stable")
    reached = np.cumsum(weight[order]) >= level - _ROUNDING
    return LifeInterval(level, float(outside[order][int(np.argmax(reached))]))


def sets_to_json(sets: ClassSets) -> dict[str, object]:
    """Return plain JSON."""
    return {"level": sets.level, "limits": {k: list(v) for k, v in sets.limits.items()}}


def sets_from_json(document: Mapping[str, Any]) -> ClassSets:
    """Return what `sets_to_json` wrote.

    Raises:
        BundleError: A level or limit is out of range.
    """
    try:
        limits = {str(k): tuple(map(float, v)) for k, v in document["limits"].items()}
        found = ClassSets(float(document["level"]), limits)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"calibration.sets: not readable ({error})") from error
    sizes = {len(row) for row in limits.values()}
    if EVERY_KIND not in limits or len(sizes) != 1:
        raise BundleError("calibration.sets: one limit for each class of each type is needed")
    if not 0 < found.level < 1 or not all(0 <= x <= 1 for row in limits.values() for x in row):
        raise BundleError("calibration.sets: level and limits must lie in 0..1")
    return found
