"""Alarms as plant engineers count them: events caught, false alarms a machine-week, lead, delay.

The one place for these figures. Times are seconds on one clock, the same for all assets of a
fleet. An event is [onset, end]: from when the fault began to the failure or the repair.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from mmindustry.alerting.budget import FalseAlarms, false_alarms
from mmindustry.training.scores import wilson

HOLD_OFF_SECONDS = 1800.0
"""Alarms of an asset closer together than this are one episode."""
GRACE_SECONDS = 86_400.0
"""After an event nothing counts for so long, neither as false nor as healthy time."""

_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm on an asset, active in [at, until]."""

    asset: str
    at: float
    until: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """An event: `onset` = the fault begins, `end` = failure or repair, `kind` = the fault."""

    asset: str
    onset: float
    end: float
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch [start, end) of an asset's time."""

    asset: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EventScores:
    """What an alarm was worth. Lead and delay run over all events: one that was missed counts as
    lead 0 and delay infinite. `lead_share`: lead over the event's length. Intervals are 95 %."""

    events: int
    detected: int
    recall: float
    recall_low: float
    recall_high: float
    episodes: int
    false: FalseAlarms
    precision: float
    lead_median_seconds: float
    lead_p10_seconds: float
    lead_share_median: float
    delay_median_seconds: float
    detected_by_kind: Mapping[str, tuple[int, int]]

    def figures(self) -> dict[str, object]:
        """Return all as plain values; `delay_median_hours` is None where most were missed."""
        delay = self.delay_median_seconds
        return {
            "events": self.events,
            "detected": self.detected,
            "event_recall": self.recall,
            "event_recall_95": [self.recall_low, self.recall_high],
            "episodes": self.episodes,
            "false_alarms": self.false.count,
            "healthy_machine_weeks": self.false.machine_weeks,
            "false_alarms_per_machine_week": self.false.rate,
            "false_alarms_per_machine_week_95": [self.false.low, self.false.high],
            "alarm_precision": self.precision if self.episodes else None,
            "lead_median_hours": self.lead_median_seconds / 3600,
            "lead_p10_hours": self.lead_p10_seconds / 3600,
            "lead_share_median": self.lead_share_median,
            "delay_median_hours": delay / 3600 if isfinite(delay) else None,
            "detected_by_kind": {k: list(v) for k, v in sorted(self.detected_by_kind.items())},
        }


def alarm_scores(
    alarms: Iterable[Raised],
    events: Sequence[Trouble],
    healthy: Sequence[Span],
    *,
    hold_off_seconds: float = HOLD_OFF_SECONDS,
    least_lead_seconds: float = 0.0,
) -> EventScores:
    """Return what the alarms were worth.

    An event is detected where an episode starts in [onset, end - least_lead]. A false alarm is an
    episode that starts in healthy time, so both sides of the rate are of the same hours; one that
    starts in neither (the grace after an event, or too late in it) counts for nothing.

    Args:
        alarms: In any order.
        events: Those that could have been detected.
        healthy: Disjoint stretches without an event, see `healthy_spans`.
        hold_off_seconds: Alarms of an asset this close together are one episode.
        least_lead_seconds: An alarm later than this before the end is of no use.

    Raises:
        ValueError: No event, or no healthy time.
    """
    if not events:
        raise ValueError("without an event nothing can be detected")
    found = episodes(alarms, hold_off_seconds=hold_off_seconds)
    starts = _by_asset(found)
    first = [_first_within(starts, event, least_lead_seconds) for event in events]
    true = sum(any(_starts_in(one, event, least_lead_seconds) for event in events) for one in found)
    wrong = sum(_within(starts.get(span.asset, []), span.start, span.end) for span in healthy)
    seconds = sum(span.end - span.start for span in healthy)
    lead = np.array(
        [0.0 if at is None else e.end - at for e, at in zip(events, first, strict=True)]
    )
    delay = [inf if at is None else at - e.onset for e, at in zip(events, first, strict=True)]
    length = np.array([max(event.end - event.onset, 1e-9) for event in events])
    hits = np.array([at is not None for at in first])
    low, high = wilson(int(hits.sum()), len(events))
    return EventScores(
        events=len(events),
        detected=int(hits.sum()),
        recall=float(hits.mean()),
        recall_low=low,
        recall_high=high,
        episodes=len(found),
        false=false_alarms(wrong, timedelta(seconds=seconds)),
        precision=true / (true + wrong) if true + wrong else 0.0,
        lead_median_seconds=float(np.median(lead)),
        lead_p10_seconds=float(np.quantile(lead, 0.1)),
        lead_share_median=float(np.median(lead / length)),
        delay_median_seconds=_median(delay),
        detected_by_kind=_by_kind(events, hits),
    )


def episodes(alarms: Iterable[Raised], *, hold_off_seconds: float) -> list[Raised]:
    """Return the alarms of each asset, those closer than the hold-off merged.

    >>> episodes([Raised("a", 0, 5), Raised("a", 9, 9), Raised("a", 99, 99)], hold_off_seconds=10)
    [Raised(asset='a', at=0, until=9), Raised(asset='a', at=99, until=99)]
    """
    merged: list[Raised] = []
    for one in sorted(alarms, key=lambda alarm: (alarm.asset, alarm.at)):
        last = merged[-1] if merged else None
        if last and last.asset == one.asset and one.at - last.until <= hold_off_seconds:
            merged[-1] = Raised(last.asset, last.at, max(last.until, one.until))
        else:
            merged.append(one)
    return merged


def healthy_spans(
    watched: Sequence[Span], events: Sequence[Trouble], *, grace_seconds: float = GRACE_SECONDS
) -> list[Span]:
    """Return the parts of the watched stretches outside every event and the grace after it."""
    left: list[Span] = []
    for span in watched:
        at = span.start
        mine = sorted((e for e in events if e.asset == span.asset), key=lambda event: event.onset)
        for event in mine:
            if at < min(event.onset, span.end):
                left.append(Span(span.asset, at, min(event.onset, span.end)))
            at = max(at, event.end + grace_seconds)
        if at < span.end:
            left.append(Span(span.asset, at, span.end))
    return left


def gain_over(
    one: NDArray[np.bool_], other: NDArray[np.bool_], *, seed: int = 0
) -> tuple[float, float, float]:
    """Return the difference of two recalls on the same events, and its 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    difference = one.astype(float) - other.astype(float)
    picks = rng.integers(len(difference), size=(_RESAMPLES, len(difference)))
    low, high = np.quantile(difference[picks].mean(axis=1), [0.025, 0.975])
    return float(difference.mean()), float(low), float(high)


def detections(
    alarms: Iterable[Raised],
    events: Sequence[Trouble],
    *,
    hold_off_seconds: float = HOLD_OFF_SECONDS,
    least_lead_seconds: float = 0.0,
) -> NDArray[np.bool_]:
    """Return which events were detected, shape (events,)."""
    starts = _by_asset(episodes(alarms, hold_off_seconds=hold_off_seconds))
    found = [_first_within(starts, event, least_lead_seconds) is not None for event in events]
    return np.array(found, np.bool_)


def _by_asset(found: Iterable[Raised]) -> dict[str, list[float]]:
    starts: dict[str, list[float]] = {}
    for one in found:
        starts.setdefault(one.asset, []).append(one.at)
    return starts


def _first_within(
    starts: Mapping[str, Sequence[float]], event: Trouble, least_lead: float
) -> float | None:
    inside = (
        at for at in starts.get(event.asset, ()) if event.onset <= at <= event.end - least_lead
    )
    return min(inside, default=None)


def _starts_in(one: Raised, event: Trouble, least_lead: float) -> bool:
    return one.asset == event.asset and event.onset <= one.at <= event.end - least_lead


def _within(starts: Sequence[float], begin: float, end: float) -> int:
    return sum(begin <= at < end for at in starts)


def _median(values: Sequence[float]) -> float:
    """Return the upper median: infinity stays itself, where numpy would average it to NaN."""
    return sorted(values)[len(values) // 2]


def _by_kind(events: Sequence[Trouble], hits: NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for event, hit in zip(events, hits.tolist(), strict=True):
        found, every = counts.get(event.kind, (0, 0))
        counts[event.kind] = (found + int(hit), every + 1)
    return counts
