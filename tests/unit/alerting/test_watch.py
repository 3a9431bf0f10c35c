"""The watch for novelty: no alarm before it is armed, and armed only where the budget holds."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from mmindustry.alerting.memory import AssetMemory
from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.alerting.watch import Phase, Watch, surely_more, told_why, watches_in
from mmindustry.domain import AlarmState, Prediction
from tests.unit.alerting import material as m

STEP = 600.0
PER_STEP = 60  # windows of ten seconds
LIMITS = {
    "budget": 0.7,
    "drift": 1.5,
    "step_seconds": STEP,
    "cusum_audio": 8.0,
    "novelty_audio": 2.0,
}
ODD, EVEN = {"audio": 0.001}, {"audio": 0.5}


def at_step(
    step: int,
    novelty: dict[str, float],
    *,
    profile: str = "v1",
    limits: dict[str, float] | None = None,
) -> Prediction:
    """Return the first window of a step."""
    one = m.prediction(step * PER_STEP, 0.0, novelty=novelty, profile=profile)
    return replace(one, limits=LIMITS if limits is None else limits)


def watch_of(record: m.Record) -> Watch:
    (found,) = [watch for _, watch in watches_in(json.loads(record.states[m.ASSET])).values()]
    return found


def calm(record: m.Record, steps: range) -> None:
    record.fold([at_step(step, EVEN) for step in steps])


def test_nothing_is_raised_in_shadow_however_strange_but_it_is_counted() -> None:
    record = m.Record(AlertingPolicy(shadow_hours=24))

    record.fold([at_step(step, ODD) for step in range(30)])

    assert record.transitions == []
    assert (watch_of(record).phase, watch_of(record).alarms) == (Phase.SHADOW, 1)


def test_a_calm_shadow_arms_and_then_what_is_strange_raises() -> None:
    record = m.Record(AlertingPolicy(shadow_hours=4))

    calm(record, range(24))
    assert watch_of(record).phase is Phase.ARMED
    record.fold([at_step(24 + step, ODD) for step in range(3)])

    (raised,) = record.transitions
    assert (raised.key.fault, raised.source) == ("novelty", "audio")
    assert [phase for phase, _ in watch_of(record).trail] == ["shadow", "armed"]


def test_a_shadow_that_would_have_raised_too_often_is_counted_anew() -> None:
    record = m.Record(AlertingPolicy(shadow_hours=4))

    for spell in range(2):
        record.fold([at_step(10 * spell + step, ODD) for step in range(3)])
        record.fold([at_step(10 * spell + 3 + step, EVEN) for step in range(7)])
    calm(record, range(20, 40))

    assert record.transitions == []
    assert watch_of(record).phase is Phase.SHADOW
    assert [phase for phase, _ in watch_of(record).trail] == ["shadow", "shadow"]
    calm(record, range(40, 70))
    assert watch_of(record).phase is Phase.ARMED


def test_a_profile_that_can_not_keep_its_budget_never_raises() -> None:
    record = m.Record(AlertingPolicy(shadow_hours=0))
    poor = {"budget": 0.7, "drift": 1.5, "step_seconds": STEP, "hours_needed": 80.0}

    record.fold([at_step(step, ODD, limits=poor) for step in range(200)])

    assert record.transitions == []
    assert watch_of(record).phase is Phase.LEARNING


def test_a_modality_without_a_limit_says_nothing() -> None:
    record = m.Record(AlertingPolicy(shadow_hours=1))
    calm(record, range(8))

    record.fold([at_step(8 + k, {"audio": 0.5, "text": 1e-4}) for k in range(50)])

    assert record.transitions == []


def test_windows_within_one_step_say_it_once() -> None:
    record = m.Record(AlertingPolicy(shadow_hours=1))
    calm(record, range(8))
    first = 8 * PER_STEP

    windows = [m.prediction(first + k, 0.0, novelty=ODD, profile="v1") for k in range(PER_STEP - 1)]
    record.fold([replace(window, limits=LIMITS) for window in windows])

    assert record.transitions == []


def test_an_alarm_of_the_last_profile_clears_under_the_next_ones_shadow() -> None:
    record = m.Record(AlertingPolicy(shadow_hours=1))
    calm(record, range(8))
    record.fold([at_step(8 + step, ODD) for step in range(4)])

    record.fold([at_step(12 + step, EVEN, profile="v2") for step in range(4)])

    assert [change.change.value for change in record.transitions] == ["raised", "cleared"]


def test_a_named_alarm_leaves_the_shadow_waiting() -> None:
    record = m.Record(AlertingPolicy(shadow_hours=1))
    odd = {"audio": 0.02}
    named = [m.prediction(k * PER_STEP, 0.9, novelty=odd, profile="v1") for k in range(30)]

    record.fold([replace(one, limits=LIMITS) for one in named])

    assert {change.key.fault for change in record.transitions} == {m.FAULT}
    assert watch_of(record).alarms == 0


def test_the_watch_outlives_a_crash_at_any_step() -> None:
    story = [at_step(step, ODD if 30 <= step < 36 else EVEN) for step in range(60)]
    whole, torn = (m.Record(AlertingPolicy(shadow_hours=4)) for _ in range(2))

    whole.fold(story)
    for one in story:
        torn.fold([one])
        torn.crash()

    assert whole.transitions == torn.transitions
    assert len(whole.transitions) == 2
    assert whole.states[m.ASSET] == torn.states[m.ASSET]


def test_a_watch_written_before_there_were_phases_stays_armed() -> None:
    old = {
        "version": 1,
        "registered": True,
        "policies": {"p10": {"tracks": {}, "late": {}, "profile": "v0", "levels": {"audio": 3.0}}},
        "gaps": {},
    }

    memory = AssetMemory.from_state(AlarmState(m.ASSET, old))

    assert memory.of("p10").watch.phase is Phase.ARMED
    assert AssetMemory.from_state(memory.to_state(m.ASSET)) == memory


def test_why_a_watch_is_no_further_is_told_plainly() -> None:
    few = told_why("learning", {"budget": 0.7, "hours_needed": 80.0}, 16.0)

    assert "16.0 normal hours are too few, about 80 are needed" in few
    assert "too unsteady" in told_why("learning", {"budget": 0.7, "hours_needed": 0.0}, 90.0)
    assert told_why("armed", {}, 16.0) == ""
    assert "counted" in told_why("shadow", {"budget": 0.7}, 90.0)


@pytest.mark.parametrize(
    ("count", "mean", "more"), [(0, 0.1, False), (1, 0.1, False), (2, 0.1, True)]
)
def test_one_would_be_alarm_a_day_may_be_chance_two_are_not(
    count: int, mean: float, *, more: bool
) -> None:
    assert surely_more(count, mean) is more


def test_time_without_windows_is_no_shadow() -> None:
    record = m.Record(AlertingPolicy(shadow_hours=4))
    late = replace(at_step(2, EVEN), end=m.START + timedelta(days=9))

    record.fold([at_step(0, EVEN), at_step(1, EVEN), late])

    assert watch_of(record).seconds == 3 * STEP
