"""The limits of a profile: a budget of false alarms dealt to its modalities, and what each affords.

A modality gets its part of the budget in proportion to how reliable it is: how often it is there,
and how little its later normal surprises one who knows the earlier. What one can't keep its part
of is dealt to the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmindustry.alerting.watch import BUDGET, DRIFT, HOURS_NEEDED, STEP_SECONDS, level_name
from mmindustry.fusion.novelty import p_values
from mmindustry.training.limits import DRIFT as OWN_DRIFT
from mmindustry.training.limits import LEAST_BLOCKS, LONGEST_BLOCK_HOURS, Limit, cusum_limit

Series = NDArray[np.float64]

_LEAST_SCORES = 8
_LINGERS_HOURS = {"text": LONGEST_BLOCK_HOURS}
"""How long what was told goes on to be read, in blocks of the limit. Sound and pictures are over
with their window; a log entry is read for days (`record.look_back_seconds`), so that what hours of
normal seem to repeat is one and the same entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Scores of later normals of one modality, one a step, in order of time.

    `seconds` (steps,): when; `present`: share of the windows that have the modality, 0..1;
    `step_seconds`: pause between steps.
    """

    scores: Series
    seconds: Series
    present: float
    step_seconds: float


def first_of_steps(seconds: Series, step_seconds: float) -> NDArray[np.int64]:
    """Return the places of the first window of each step of the clock, as the watch takes them.

    >>> first_of_steps(np.array([1.0, 5.0, 12.0]), 10.0).tolist()
    [0, 2]
    """
    return np.unique(np.floor(seconds / step_seconds), return_index=True)[1].astype(np.int64)


def limits_of(
    told: Mapping[str, Told], *, budget: float, step_seconds: float, hours: float
) -> dict[str, float]:
    """Return a profile's limits for the watch, the budget and what it is followed by among them.

    Where no modality can keep its part, there is no level, and `hours_needed` says from how many
    normal hours there might be (0 hours more: the asset is too unsteady).

    Args:
        told: Modality -> later normals.
        budget: False alarms a machine-week, above 0.
        step_seconds: Pause between steps of the watch.
        hours: Normal hours that the profile was learned from.
    """
    found: dict[str, Limit] = {}
    keeping = dict(told)
    while keeping:
        found |= _dealt(keeping, budget)
        if not (lost := [name for name in keeping if found[name].level is None]):
            break
        hopeless = [name for name in lost if found[name].why == "hours"]
        for name in hopeless or [min(lost, key=lambda one: reliability(told[one]))]:
            del keeping[name]
    limits = {BUDGET: budget, DRIFT: OWN_DRIFT, STEP_SECONDS: step_seconds}
    limits |= {level_name(n): one.level for n, one in found.items() if one.level is not None}
    if all(one.level is None for one in found.values()):
        limits[HOURS_NEEDED] = _hours_needed(found, hours)
    return limits


def _dealt(told: Mapping[str, Told], budget: float) -> dict[str, Limit]:
    """Return each modality's limit for its part of the budget."""
    weight = {name: reliability(one) for name, one in told.items()}
    return {
        name: cusum_limit(
            one.scores,
            one.seconds,
            budget=budget * weight[name] / sum(weight.values()),
            step_seconds=one.step_seconds,
            least_hours=_LINGERS_HOURS.get(name, 1),
        )
        for name, one in told.items()
    }


def reliability(told: Told) -> float:
    """Return how far a modality is to be relied on, above 0 and up to 1."""
    half = len(told.scores) // 2
    if half < _LEAST_SCORES:
        return max(told.present, 1e-3)
    earlier, later = told.scores[:half], told.scores[half:]
    surprise = float(-np.log(p_values(later, earlier.astype(np.float32))).mean())
    return max(told.present, 1e-3) / max(1.0, surprise)


def _hours_needed(found: Mapping[str, Limit], hours: float) -> float:
    short = [one for one in found.values() if one.why == "hours"]
    needed = [hours * LEAST_BLOCKS / max(one.blocks, 0.5) for one in short]
    return float(np.ceil(min(needed, default=0.0)))
