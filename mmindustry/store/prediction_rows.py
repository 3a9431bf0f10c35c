"""What was said of windows -> rows. Pure."""

from collections.abc import Mapping

from mmindustry.domain import Failed, Prediction
from mmindustry.store.rows import DETAIL_LENGTH, Row, clean

HEALTHY = "healthy"
"""The fault class that is none; a window's health is its probability."""

UNKNOWN = "unknown"
"""What a row says in the place of `healthy` where a sensor in doubt said so, and in the place of
any class where the window is like none that its bundle knows."""

BLIND = "blind"
"""What a row says where nothing at all was seen, heard or read."""

_MISSING = "source_missing"

_NOT_JUDGED: Row = dict.fromkeys(
    (
        "profile",
        "fault",
        "fault_probability",
        "health",
        "risk_24h",
        "novelty_p",
        "remaining_life_p05_seconds",
        "remaining_life_p50_seconds",
        "remaining_life_p95_seconds",
        "faults",
        "risk",
        "product",
        "novelty",
        "terms",
        "present",
        "quality",
        "findings",
        "registered",
        "running",
        "classes",
        "covered",
        "embedding",
        "why",
    )
)


def prediction_row(said: Prediction | Failed) -> Row:
    """Return the row of what was said of a window, a failure included."""
    row: Row = {
        "start": said.window.start,
        "asset": said.window.asset,
        "policy": said.window.policy,
        "revision": said.window.revision,
        "bundle": said.bundle,
        "window_id": said.window.id,
        "end": said.end,
        "stage": None,
        "reason": None,
        "detail": None,
    }
    if isinstance(said, Failed):
        detail = clean(said.detail, DETAIL_LENGTH)
        return row | _NOT_JUDGED | {"stage": said.stage, "reason": said.reason, "detail": detail}
    return row | _judgement(said)


def _judgement(said: Prediction) -> Row:
    faults = numbers(said.faults)
    leading = max(faults, key=lambda fault: faults[fault], default=None)
    unvouched = said.unknown or (leading == HEALTHY and not _vouches_for_health(said))
    doubt = BLIND if said.blind else UNKNOWN if unvouched else None
    shortest, middle, longest = (float(life) for life in said.remaining_life_seconds)
    return {
        "profile": said.profile,
        "fault": doubt or leading,
        "fault_probability": None if doubt or leading is None else faults[leading],
        "health": None if doubt else faults.get(HEALTHY),
        "risk_24h": numbers(said.risk).get("24h"),
        "novelty_p": min(numbers(said.novelty).values(), default=None),
        "remaining_life_p05_seconds": shortest,
        "remaining_life_p50_seconds": middle,
        "remaining_life_p95_seconds": longest,
        "faults": faults,
        "risk": numbers(said.risk),
        "product": numbers(said.product),
        "novelty": numbers(said.novelty),
        "terms": numbers(said.terms),
        "present": {name: bool(held) for name, held in said.present.items()},
        "quality": numbers(said.quality),
        "findings": [list(finding) for finding in said.findings],
        "registered": said.registered,
        "running": said.running,
        "classes": None if said.classes is None else list(said.classes),
        "covered": said.covered,
        "embedding": said.embedding or None,
        "why": None if said.why is None else dict(said.why),
    }


def _vouches_for_health(said: Prediction) -> bool:
    """Return whether no sensor is in doubt.

    A frozen camera shows a healthy machine for ever, and silence is what a dead microphone hears.
    A source that gave nothing makes the window partial, no more.
    """
    return all(code == _MISSING for code, _ in said.findings)


def numbers(values: Mapping[str, float]) -> dict[str, float]:
    """Return `values` as plain floats: numpy's are no JSON."""
    return {name: float(value) for name, value in values.items()}
