"""Likelihoods over all stories at once: axis 0 the story, one axis of two for each look-alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmindustry.simulate.evidence import FLOOR_DB, LEVEL_ERROR_DB, RATE_ERROR, SPEED_ERROR
from mmindustry.simulate.situation import Twin

Array = NDArray[np.float64]
Span = tuple[Twin, float, float]

TINY = 1e-6
AXIS = {twin: at + 1 for at, twin in enumerate(Twin)}
GRID = np.linspace(0.04, 0.96, 9)
"""Places within a look-alike's span of levels that are summed over."""


@dataclass(frozen=True, slots=True)
class Shaft:
    """What is known of the shaft's turns a second: a value, or no more than a span."""

    low_hz: float
    high_hz: float

    def density(self, rate_hz: float) -> float:
        """Return the density of a measured rate per unit of its logarithm."""
        log = np.log(rate_hz)
        if self.low_hz == self.high_hz:
            spread = np.hypot(RATE_ERROR, SPEED_ERROR)
            peak = np.exp(-0.5 * ((log - np.log(self.low_hz)) / spread) ** 2)
            return float(peak / (spread * np.sqrt(2 * np.pi)) + TINY)
        inside = np.log(self.low_hz) - RATE_ERROR < log < np.log(self.high_hz) + RATE_ERROR
        return float(inside / np.log(self.high_hz / self.low_hz) + TINY)


def over_stories(values: Array) -> Array:
    """Return (stories,) values with an axis for each look-alike."""
    return values.reshape(-1, *(1,) * len(AXIS))


def over_twin(twin: Twin, absent: Array | float, present: Array | float) -> Array:
    """Return values that hang on one look-alike; (stories,) or single ones."""
    both = np.stack([np.atleast_1d(absent), np.atleast_1d(present)], axis=1)  # (stories or 1, 2)
    shape = [len(both)] + [1] * len(AXIS)
    shape[AXIS[twin]] = 2
    return both.reshape(shape)


def normal(found: float, expected: Array, error: float) -> Array:
    """Return the log density of a measured value about each expected one, a miss in a thousand
    allowed for."""
    density = np.exp(-0.5 * ((found - expected) / error) ** 2) / (error * np.sqrt(2 * np.pi))
    return np.asarray(np.log(density + 1e-3))


def power(*levels_db: Array | float) -> Array:
    """Return the level in dB of sounds that add up."""
    total = sum(10 ** (np.asarray(level) / 10) for level in levels_db)
    return np.asarray(10 * np.log10(total))


def level(found_db: float, fault_db: Array, twins: Sequence[Span]) -> Array:
    """Return the log likelihood of a level that a fault and look-alikes add up to.

    A look-alike's own level is unknown within its span and summed over.
    """
    (twin, low, high), rest = twins[0], twins[1:]
    if rest:
        absent = level(found_db, fault_db, rest)
        each = [level(found_db, power(fault_db, low + (high - low) * g), rest) for g in GRID]
        present = np.logaddexp.reduce(each, axis=0) - np.log(len(each))
        return np.concatenate([absent, present], axis=AXIS[twin])
    absent = normal(found_db, power(fault_db, FLOOR_DB), LEVEL_ERROR_DB)
    each = [normal(found_db, power(fault_db, low + (high - low) * g), LEVEL_ERROR_DB) for g in GRID]
    return over_twin(twin, absent, np.logaddexp.reduce(each, axis=0) - np.log(len(each)))


def larger(found: float, expected: Array, span: Span, *, error: float) -> Array:
    """Return the log likelihood of the larger of what a fault and a look-alike show."""
    twin, low, high = span
    each = [normal(found, np.maximum(expected, low + (high - low) * g), error) for g in GRID]
    present = np.logaddexp.reduce(each, axis=0) - np.log(len(each))
    return over_twin(twin, normal(found, expected, error), present)


def depth(found: float, peak: float, fault_db: Array, total_db: float) -> Array:
    """Return the log likelihood of how deep a sound beats whose share of the level a fault has."""
    share = np.minimum(1.0, 10 ** ((fault_db - total_db) / 10)) * (fault_db > FLOOR_DB)
    return normal(found, peak * share, 0.08)


def sets(own: tuple[Array, list[Array]], twin: Twin, other: tuple[float, list[float]]) -> Array:
    """Return the log likelihood of a set of found rates, of which the fault gives one at most and
    the look-alike another.

    Args:
        own: Chance (stories,) that the fault's is found, and the density of each found rate.
        twin: The look-alike.
        other: The same of the look-alike's.
    """
    chance, densities = own
    often, foreign = other
    missing = np.full(len(chance), TINY)
    if not densities:
        return over_twin(twin, np.log(1 - chance + TINY), np.log((1 - chance) * (1 - often) + TINY))
    if len(densities) == 1:
        absent = chance * densities[0]
        present = absent * (1 - often) + (1 - chance) * often * foreign[0]
        return over_twin(twin, np.log(absent + TINY), np.log(present + TINY))
    crossed = densities[0] * foreign[1] + densities[1] * foreign[0]
    return over_twin(twin, np.log(missing), np.log(chance * often * crossed + TINY))
