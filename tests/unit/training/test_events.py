"""Alarm-level figures: what counts as caught, as false, and over which hours."""

import numpy as np
import pytest

from mmindustry.training.controls import controls
from mmindustry.training.events import (
    Raised,
    Span,
    Trouble,
    alarm_scores,
    detections,
    episodes,
    gain_over,
    healthy_spans,
)
from mmindustry.training.scores import wilson

HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
EVENT = Trouble("pump", onset=2 * WEEK, end=2 * WEEK + 4 * DAY, kind="imbalance")
WATCHED = [Span("pump", 0.0, 4 * WEEK)]


def at(moment: float, *, asset: str = "pump", lasts: float = 0.0) -> Raised:
    return Raised(asset, moment, moment + lasts)


def test_alarms_within_the_hold_off_are_one_episode_of_their_asset() -> None:
    alarms = [at(0.0), at(1000.0, lasts=900.0), at(3000.0), at(9000.0), at(0.0, asset="fan")]
    found = episodes(alarms, hold_off_seconds=1800.0)
    assert [(one.asset, one.at, one.until) for one in found] == [
        ("fan", 0.0, 0.0),
        ("pump", 0.0, 3000.0),
        ("pump", 9000.0, 9000.0),
    ]


def test_healthy_time_leaves_out_events_and_the_grace_after_them() -> None:
    spans = healthy_spans(WATCHED, [EVENT], grace_seconds=DAY)
    assert spans == [Span("pump", 0.0, 2 * WEEK), Span("pump", 2 * WEEK + 5 * DAY, 4 * WEEK)]


def test_an_event_that_covers_the_watch_leaves_no_healthy_time() -> None:
    long = Trouble("pump", onset=-DAY, end=9 * WEEK)
    assert healthy_spans(WATCHED, [long]) == []


def test_lead_delay_precision_and_rate_are_counted_by_hand() -> None:
    healthy = healthy_spans(WATCHED, [EVENT], grace_seconds=DAY)
    alarms = [at(DAY), at(EVENT.onset + DAY), at(EVENT.onset + 3 * DAY), at(EVENT.end + HOUR)]
    scores = alarm_scores(alarms, [EVENT], healthy)
    assert scores.detected == 1
    assert scores.lead_median_seconds == 3 * DAY
    assert scores.lead_share_median == 0.75
    assert scores.delay_median_seconds == DAY
    assert scores.false.count == 1  # the last alarm lies in the grace and counts for nothing
    assert scores.false.machine_weeks == pytest.approx(4 - 5 / 7)
    assert scores.precision == pytest.approx(2 / 3)
    assert scores.detected_by_kind == {"imbalance": (1, 1)}


def test_an_alarm_that_began_before_the_onset_is_false_and_detects_nothing() -> None:
    healthy = healthy_spans(WATCHED, [EVENT])
    scores = alarm_scores([at(EVENT.onset - HOUR, lasts=5 * DAY)], [EVENT], healthy)
    assert (scores.detected, scores.false.count) == (0, 1)


def test_an_alarm_too_late_to_help_detects_nothing() -> None:
    healthy = healthy_spans(WATCHED, [EVENT])
    late = [at(EVENT.end - HOUR)]
    assert alarm_scores(late, [EVENT], healthy).detected == 1
    assert alarm_scores(late, [EVENT], healthy, least_lead_seconds=8 * HOUR).detected == 0


def test_a_missed_event_counts_as_lead_zero_and_endless_delay() -> None:
    other = Trouble("fan", onset=DAY, end=2 * DAY)
    healthy = healthy_spans(WATCHED, [EVENT])
    scores = alarm_scores([at(EVENT.onset)], [EVENT, other], healthy)
    assert scores.recall == 0.5
    assert scores.lead_median_seconds == 2 * DAY
    assert scores.figures()["delay_median_hours"] is None


def test_nothing_is_said_without_events() -> None:
    with pytest.raises(ValueError, match="without an event"):
        alarm_scores([], [], WATCHED)


def test_the_always_on_control_catches_all_and_pays_for_it() -> None:
    found = controls([EVENT], WATCHED, healthy_spans(WATCHED, [EVENT]))["always_on"]
    assert found.recall == 1.0
    assert found.false.rate > 300


def test_random_and_periodic_controls_keep_the_budget() -> None:
    watched = [Span(f"pump-{n}", 0.0, 8 * WEEK) for n in range(20)]
    events = [Trouble(s.asset, onset=5 * WEEK, end=5 * WEEK + 2 * DAY) for s in watched]
    found = controls(events, watched, healthy_spans(watched, events), budget_per_week=0.7)
    for name in ("random", "periodic"):
        assert found[name].false.low < 0.7 < found[name].false.high
        assert 0.0 < found[name].recall < 0.5
    assert found["age_only"].false.rate <= 0.7


def test_the_age_control_knows_no_more_than_when_the_last_repair_was() -> None:
    watched = [Span(f"pump-{n}", 0.0, 8 * WEEK) for n in range(4)]
    same_age = [Trouble(s.asset, onset=3 * WEEK, end=4 * WEEK) for s in watched]
    healthy = healthy_spans(watched, same_age)
    assert controls(same_age, watched, healthy)["age_only"].recall == 1.0


def test_intervals_hold_their_share_and_a_gain_its_sign() -> None:
    low, high = wilson(6, 10)
    assert low < 0.6 < high
    one, other = np.array([True] * 30 + [False] * 10), np.array([False] * 40)
    gain, below, _ = gain_over(one, other)
    assert gain == 0.75
    assert below > 0.5


def test_detections_say_which_events_were_caught() -> None:
    other = Trouble("fan", onset=DAY, end=2 * DAY)
    assert detections([at(EVENT.onset)], [EVENT, other]).tolist() == [True, False]
