"""Novelty -> score: a CUSUM of surprise a modality, held against the limits of the asset's profile.

Page, "Continuous inspection schemes", Biometrika 41 (1954) 100-115. One step is taken in each
`step_seconds` of event time, by its first sound window, as the limits were learned.
"""

from math import log

from mmindustry.alerting.memory import PolicyMemory
from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.alerting.watch import (
    BUDGET,
    DRIFT,
    STEP_SECONDS,
    Phase,
    first_phase,
    levels_of,
)
from mmindustry.domain import Prediction

_LEAST_P = 1e-4


def novelty_level(level: float, p_value: float, *, drift: float, limit: float) -> float:
    """Return the CUSUM of -ln p after one more step, in nats, 0 to twice the limit.

    The cap lets an alarm clear in bounded time.
    """
    step = -log(max(p_value, _LEAST_P)) - drift
    return min(max(0.0, level + step), 2 * limit)


def follow(
    prediction: Prediction, policy: AlertingPolicy, memory: PolicyMemory
) -> tuple[str, float] | None:
    """Move the CUSUMs on by a sound window; return the leading modality and its share of its limit.

    None while the watch is not armed: then nothing may be raised. Another profile begins anew, in
    the phase its limits allow.
    """
    if memory.profile != prediction.profile:
        _begin(prediction, memory)
    limits = _limits(prediction, policy)
    watched = sorted(name for name in prediction.novelty if name in limits)
    if not watched or memory.watch.phase is Phase.LEARNING:
        return None
    pause = prediction.limits.get(STEP_SECONDS, 0.0)
    stepped = pause <= 0 or memory.watch.steps(prediction.end.timestamp(), pause)
    if stepped:
        drift = prediction.limits.get(DRIFT, policy.novelty_drift)
        for name in watched:
            before, p_value = memory.levels.get(name, 0.0), prediction.novelty[name]
            memory.levels[name] = novelty_level(before, p_value, drift=drift, limit=limits[name])
    shares = {name: memory.levels.get(name, 0.0) / limits[name] for name in limits}
    leading = max(sorted(shares), key=lambda name: shares[name])
    if memory.watch.phase is Phase.ARMED:
        return leading, shares[leading]
    if stepped:
        memory.watch.followed(
            shares[leading],
            pause,
            budget=prediction.limits.get(BUDGET, 0.0),
            enough=policy.shadow_hours,
            at=prediction.end.isoformat(),
        )
    return None


def _begin(prediction: Prediction, memory: PolicyMemory) -> None:
    memory.profile, memory.levels = prediction.profile or "", {}
    memory.watch.slot = None
    memory.watch.enter(first_phase(prediction.limits), prediction.end.isoformat())


def _limits(prediction: Prediction, policy: AlertingPolicy) -> dict[str, float]:
    """Return modality -> CUSUM limit: the profile's, or the policy's where it has none yet."""
    if BUDGET in prediction.limits:
        return levels_of(prediction.limits)
    return dict.fromkeys(prediction.novelty, policy.novelty_limit)
