"""What one prediction says for each thing that can alarm: scores, soundness, evidence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mmindustry.alerting.memory import PolicyMemory
from mmindustry.alerting.novelty import follow
from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.alerting.track import Limits
from mmindustry.domain import Prediction, Priority

SENSOR_QUALITY = "sensor_quality"
PRODUCT_DEFECT = "product_defect"
NOVELTY = "novelty"
MISSING = "source_missing"
"""The finding that a source gave a window nothing: it makes the window partial, no more."""

Thresholds = Mapping[str, Mapping[str, float]]

_TOP = 3
_RISK_HORIZON = "24h"


@dataclass(frozen=True, slots=True)
class Score:
    """One thing's score in one window, what it is held against, and how it would be told."""

    fault: str
    value: float
    limits: Limits
    priority: Priority
    source: str = ""
    sense: str = ""
    is_sound: bool = True

    @property
    def track(self) -> str:
        """Name of its track in memory: the fault, with the sensor where it is one's own."""
        if self.fault != SENSOR_QUALITY:
            return self.fault
        return f"{self.fault}:{self.sense}:{self.source}"


def is_sound(prediction: Prediction, policy: AlertingPolicy) -> bool:
    """Return whether a window may speak for health: whole, and every modality of quality."""
    seen = [name for name, present in prediction.present.items() if present]
    good = all(prediction.quality.get(name, 0.0) >= policy.low_quality for name in seen)
    return bool(seen) and good and not prediction.findings


def fault_scores(
    prediction: Prediction, policy: AlertingPolicy, thresholds: Thresholds
) -> Iterator[Score]:
    """Yield the probability of each fault class; the more urgent, the higher the priority."""
    risk = prediction.risk.get(_RISK_HORIZON, 0.0)
    priority = Priority.HIGH if risk >= policy.high_risk else Priority.MEDIUM
    sound = is_sound(prediction, policy)
    for fault, probability in sorted(prediction.faults.items()):
        if fault != policy.healthy:
            limits = fault_limits(fault, policy, thresholds)
            yield Score(fault, probability, limits, priority, is_sound=sound)


def fault_limits(fault: str, policy: AlertingPolicy, thresholds: Thresholds) -> Limits:
    """Return a fault's limits: the plant's own, else the bundle's, else the policy's."""
    pair = thresholds.get(fault, {})
    on = pair.get("on", policy.on_probability)
    off = min(pair.get("off", policy.off_probability), on)
    if fault in policy.on_by_fault:
        off *= policy.on_by_fault[fault] / on
        on = policy.on_by_fault[fault]
    return Limits(on, off, policy.k, policy.n, policy.off_windows)


def product_scores(prediction: Prediction, policy: AlertingPolicy) -> Iterator[Score]:
    """Yield P(not good) where a product is in view."""
    if prediction.product:
        bad = 1.0 - prediction.product.get(policy.good, 0.0)
        limits = Limits(
            policy.product_on, policy.product_off, policy.k, policy.n, policy.off_windows
        )
        sound = is_sound(prediction, policy)
        yield Score(PRODUCT_DEFECT, bad, limits, Priority.MEDIUM, is_sound=sound)


def sensor_scores(
    prediction: Prediction, policy: AlertingPolicy, memory: PolicyMemory
) -> Iterator[Score]:
    """Yield 1 for each sensor with a finding, 0 for each watched one that spoke without one.

    A sensor is taken to have spoken where its modality is present and it is not named missing.
    """
    bad = {(_sense(code), source) for code, source in prediction.findings if code != MISSING}
    absent = {source for code, source in prediction.findings if code == MISSING}
    watched = {
        (sense, source)
        for sense, source in _watched(memory)
        if source not in absent and prediction.present.get(sense)
    }
    limits = Limits(1.0, 0.5, policy.k, policy.n, policy.off_windows)
    for sense, source in sorted(bad | watched):
        value = float((sense, source) in bad)
        yield Score(SENSOR_QUALITY, value, limits, Priority.LOW, source=source, sense=sense)


def _watched(memory: PolicyMemory) -> Iterator[tuple[str, str]]:
    """Yield (modality, source) of each sensor that has a track."""
    for name in memory.tracks:
        if name.startswith(f"{SENSOR_QUALITY}:"):
            _, sense, source = name.split(":", 2)
            yield sense, source


def _sense(code: str) -> str:
    """Return the modality a finding speaks of, by the first word of its code."""
    return {"camera": "image", "microphone": "audio"}.get(code.partition("_")[0], "text")


def novelty_scores(
    prediction: Prediction, policy: AlertingPolicy, memory: PolicyMemory
) -> Iterator[Score]:
    """Yield the highest CUSUM of -ln p over the modalities, as a share of its limit.

    A weak window is novel by its very weakness and moves nothing; while the watch is not armed
    nothing is yielded but what lets an alarm clear that it had raised before.
    """
    if prediction.profile is None or not prediction.novelty or not is_sound(prediction, policy):
        return
    found = follow(prediction, policy, memory)
    if found is None and NOVELTY in memory.tracks:
        found = "", 0.0
    if found is not None:
        leading, share = found
        limits = Limits(1.0, 0.5, 1, 1, policy.off_windows)
        yield Score(NOVELTY, share, limits, Priority.LOW, source=leading)


def evidence(prediction: Prediction, score: Score) -> dict[str, object]:
    """Return what the operator is shown with an alarm, plain JSON."""
    leading = sorted(prediction.faults.items(), key=lambda item: (-item[1], item[0]))[:_TOP]
    product = sorted(prediction.product.items(), key=lambda item: (-item[1], item[0]))[:_TOP]
    return {
        "probabilities": dict(leading),
        "product": dict(product),
        "risk": dict(prediction.risk),
        "remaining_life_seconds": list(prediction.remaining_life_seconds),
        "terms": dict(prediction.terms),
        "novelty": dict(prediction.novelty),
        "present": dict(prediction.present),
        "quality": dict(prediction.quality),
        "findings": [list(finding) for finding in prediction.findings],
        "profile": prediction.profile,
        "threshold": score.limits.on,
        "rule": f"{score.limits.k} of {score.limits.n}",
        **_doubts(prediction),
    }


def _doubts(prediction: Prediction) -> dict[str, object]:
    """Return what can't be ruled out, where the bundle tells it, and whether nothing was seen."""
    told: dict[str, object] = {}
    if prediction.blind:
        told["blind"] = True
    if prediction.classes is not None:
        told |= {"classes": list(prediction.classes), "covered": prediction.covered}
    if prediction.unknown:
        told["unknown"] = True
    return told
