"""Alarm transitions -> rows, and the bodies of what leaves through the outbox."""

import math

from mmindustry.domain import AlarmTransition, Prediction
from mmindustry.store.prediction_rows import prediction_row
from mmindustry.store.rows import Row, instant


def _window_of(transition: AlarmTransition) -> Row:
    window = transition.window
    return {
        "window_start": None if window is None else window.start,
        "window_policy": None if window is None else window.policy,
        "window_revision": None if window is None else window.revision,
    }


def alarm_row(raised: AlarmTransition) -> Row:
    """Return the row of an alarm at its raise."""
    return {
        "id": raised.key.id,
        "asset": raised.key.asset,
        "fault": raised.key.fault,
        "window": raised.key.window,
        "source": raised.source,
        "priority": raised.priority.value,
        "raised_at": raised.raised_at,
        "score": float(raised.score),
        "bundle": raised.bundle,
        "late": raised.late,
        "evidence": None if raised.evidence is None else dict(raised.evidence),
        **_window_of(raised),
    }


def transition_row(transition: AlarmTransition) -> Row:
    """Return the row of one step in an alarm's trail."""
    return {
        "alarm_id": transition.key.id,
        "change": transition.change.value,
        "at": transition.at,
        "priority": transition.priority.value,
        "score": float(transition.score),
        "bundle": transition.bundle,
        "late": transition.late,
        "evidence": None if transition.evidence is None else dict(transition.evidence),
        **_window_of(transition),
    }


def alarm_body(transition: AlarmTransition) -> Row:
    """Return what leaves when an alarm changes: plain JSON, times in RFC 3339."""
    window = transition.window
    return {
        "alarm": transition.key.id,
        "asset": transition.key.asset,
        "fault": transition.key.fault,
        "window": transition.key.window,
        "change": transition.change.value,
        "at": instant(transition.at),
        "raised_at": instant(transition.raised_at),
        "priority": transition.priority.value,
        "score": float(transition.score),
        "source": transition.source,
        "bundle": transition.bundle,
        "late": transition.late,
        "window_id": None if window is None else window.id,
        "evidence": {} if transition.evidence is None else dict(transition.evidence),
    }


def prediction_body(said: Prediction) -> Row:
    """Return what leaves when a window was judged: its row, with times in RFC 3339.

    An endless remaining life is null: JSON knows no infinity.
    """
    row = prediction_row(said)
    for name, value in row.items():
        if name.startswith("remaining_life") and not math.isfinite(value):
            row[name] = None
    for gone in ("stage", "reason", "detail", "embedding"):
        del row[gone]
    row["start"], row["end"] = instant(said.window.start), instant(said.end)
    return row
