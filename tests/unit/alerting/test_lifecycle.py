from datetime import datetime, timedelta

import pytest

from mmindustry.alerting.budget import (
    chattering,
    false_alarms,
    floods,
    is_flood,
    is_stale,
)
from mmindustry.alerting.lifecycle import Act, Action, State, shown
from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.domain import AlarmTransition
from tests.unit.alerting import material as m

MINUTE = timedelta(minutes=1)


def trail(*, cleared: bool = False) -> list[AlarmTransition]:
    record = m.Record()
    record.scores(0.9, 0.9, 0.9)
    if cleared:
        record.scores(0.0, 0.0, 0.0, first=3)
    return record.transitions


def act(kind: Act, minutes: float, *, until: float | None = None, comment: str = "") -> Action:
    end = None if until is None else m.START + until * MINUTE
    return Action(act=kind, at=m.START + minutes * MINUTE, author="kim", until=end, comment=comment)


def at(minutes: float) -> datetime:
    return m.START + minutes * MINUTE


@pytest.mark.parametrize(
    ("cleared", "acts", "state"),
    [
        (False, [], State.UNACKED),
        (False, [act(Act.ACKNOWLEDGE, 5)], State.ACKED),
        (True, [], State.RETURNED_UNACKED),
        (True, [act(Act.ACKNOWLEDGE, 5)], State.NORMAL),
        (False, [act(Act.CONFIRM, 5)], State.ACKED),
        (True, [act(Act.REJECT, 5)], State.NORMAL),
        (False, [act(Act.COMMENT, 5, comment="looking")], State.UNACKED),
        (False, [act(Act.SHELVE, 5, until=60)], State.SHELVED),
        (False, [act(Act.SHELVE, 5, until=9)], State.UNACKED),
        (False, [act(Act.SHELVE, 5, until=60), act(Act.UNSHELVE, 6)], State.UNACKED),
        (False, [act(Act.SUPPRESS, 5)], State.SUPPRESSED),
        (False, [act(Act.SUPPRESS, 5), act(Act.UNSUPPRESS, 6)], State.UNACKED),
        (False, [act(Act.OUT_OF_SERVICE, 5), act(Act.SUPPRESS, 6)], State.OUT_OF_SERVICE),
        (False, [act(Act.OUT_OF_SERVICE, 5), act(Act.IN_SERVICE, 6)], State.UNACKED),
        (False, [act(Act.ACKNOWLEDGE, 45)], State.UNACKED),
    ],
)
def test_what_is_shown_follows_from_both_trails(
    *, cleared: bool, acts: list[Action], state: State
) -> None:
    there = shown(trail(cleared=cleared), acts, at(30))

    assert there.state is state
    assert there.active is not cleared
    assert there.annunciates is (state in {State.UNACKED, State.RETURNED_UNACKED})


def test_order_of_the_trails_does_not_matter() -> None:
    acts = [act(Act.SHELVE, 5, until=60), act(Act.UNSHELVE, 6), act(Act.ACKNOWLEDGE, 7)]
    changes = trail(cleared=True)

    assert shown(changes, acts, at(30)) == shown(changes[::-1], acts[::-1], at(30))


def test_first_answer_is_the_one_that_acknowledged() -> None:
    acts = [act(Act.ACKNOWLEDGE, 5), act(Act.CONFIRM, 9, comment="spalled race")]

    there = shown(trail(), acts, at(30))

    assert (there.acknowledged_by, there.acknowledged_at) == ("kim", at(5))
    assert there.comments == (("kim", "spalled race"),)


def test_nothing_is_shelved_without_an_end() -> None:
    with pytest.raises(ValueError, match="shelving"):
        act(Act.SHELVE, 5)
    with pytest.raises(ValueError, match="shelving"):
        act(Act.SHELVE, 5, until=5)


def test_false_alarm_rate_holds_the_exact_poisson_interval() -> None:
    figure = false_alarms(10, timedelta(weeks=20))

    assert figure.rate == pytest.approx(0.5)
    assert (figure.low * 20, figure.high * 20) == pytest.approx((4.795, 18.39), abs=0.01)
    assert figure.within_budget


def test_no_false_alarm_still_has_an_upper_bound() -> None:
    figure = false_alarms(0, timedelta(weeks=1))

    assert (figure.rate, figure.low) == (0.0, 0.0)
    assert figure.high == pytest.approx(3.689, abs=0.001)
    with pytest.raises(ValueError, match="healthy time"):
        false_alarms(1, timedelta(0))


def test_budget_is_broken_where_even_the_lower_bound_is_above_it() -> None:
    assert not false_alarms(30, timedelta(weeks=10)).within_budget


def test_flood_starts_above_ten_in_ten_minutes_and_ends_below_five() -> None:
    burst = [at(k / 2) for k in range(11)]
    lone = at(60)

    ((start, end),) = floods([*burst, lone])

    assert start == at(5)
    assert end == at(3 + 10)  # the fifth newest raise leaves the ten minutes
    assert is_flood(burst, at(6))
    assert not is_flood(burst, at(14))
    assert floods(burst[:10]) == []


def test_long_flood_is_one_flood() -> None:
    steady = [at(k / 2) for k in range(200)]

    assert len(floods(steady)) == 1
    assert is_flood(steady, at(99))


def test_alarm_raised_thrice_within_a_minute_chatters() -> None:
    record = m.Record(AlertingPolicy(k=1, n=1, off_windows=1))

    record.scores(0.9, 0.0, 0.9, 0.0)
    assert chattering(record.transitions) == []
    record.scores(0.9, first=4)

    assert chattering(record.transitions) == [(m.ASSET, m.FAULT, "")]


def test_alarm_is_stale_after_a_day() -> None:
    assert not is_stale(m.START, m.START + timedelta(hours=24))
    assert is_stale(m.START, m.START + timedelta(hours=25))
