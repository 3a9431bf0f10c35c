from datetime import datetime, timedelta
from typing import Any

import pytest

from mmindustry.notify.alert import alert_of, label_name, labels_of
from mmindustry.notify.alertmanager import AlertmanagerNotifier
from mmindustry.notify.policy import NotifyPolicy
from tests.unit.notify import material as m

POLICY = NotifyPolicy(external_url="https://plant.example/mm", runbook_url="https://books.example")
MINUTE = timedelta(minutes=1)


class Desk:
    """A notifier with receivers, a clock by hand, and the record's list of what stands."""

    def __init__(self, *receivers: m.Receiver) -> None:
        self.clock = m.Hands()
        self.standing: list[dict[str, object]] = []
        self.receivers = receivers
        self.notifier = AlertmanagerNotifier(
            NotifyPolicy(alertmanagers=tuple(receiver.url for receiver in receivers)),
            m.transport(),
            self.clock,
            lambda: self.standing,
        )

    def send(self, *bodies: dict[str, object]) -> list[tuple[bool, bool]]:
        outcomes = self.notifier.send([m.row(k, told) for k, told in enumerate(bodies)])
        assert [outcome.id for outcome in outcomes] == list(range(len(bodies)))
        return [(outcome.sent, outcome.final) for outcome in outcomes]

    def last(self, receiver: int = 0) -> list[dict[str, Any]]:
        document = self.receivers[receiver].documents[-1]
        assert isinstance(document, list)
        return document

    def ends(self) -> list[datetime]:
        return [datetime.fromisoformat(alert["endsAt"]) for alert in self.last()]


def test_labels_are_identity_only_and_the_rest_is_annotation() -> None:
    first = alert_of(m.body(score=0.9, window="w1"), POLICY)
    second = alert_of(m.body(score=0.7, window="w2"), POLICY)

    assert (
        first.labels
        == second.labels
        == {
            "alertname": "BearingOuter",
            "severity": "critical",
            "site": "north",
            "area": "mill",
            "line": "line-1",
            "asset": "pump-7",
            "fault_code": "bearing_outer",
            "source": "mmindustry",
        }
    )
    assert first.annotations["probability"] == "0.900"
    assert first.annotations["prediction_id"] == "w1"
    assert first.annotations["runbook_url"] == "https://books.example/bearing_outer"
    assert "P(failure within 24 h) 40%" in first.annotations["description"]


def test_link_is_absolute_and_quoted() -> None:
    link = alert_of(m.body(), POLICY).link

    assert link == (
        "https://plant.example/mm/alarms/view?id="
        "north%2Fmill%2Fline-1%2Fpump-7%7Cbearing_outer%7Cw1"
    )


def test_two_sensors_of_one_asset_are_two_alerts_and_late_ones_stand_apart() -> None:
    names = {
        tuple(sorted(labels_of(m.body(fault="sensor_quality", source=s, late=late)).items()))
        for s in ("cam-1", "cam-2")
        for late in (False, True)
    }

    assert len(names) == 4


@pytest.mark.parametrize("hostile", ["a\x00b", "x" * 999, "line\nbreak", "\u202eevil", "  "])
def test_hostile_source_makes_a_clean_label_or_none(hostile: str) -> None:
    labels = labels_of(m.body(source=hostile))

    assert all(value and value.isprintable() and len(value) <= 256 for value in labels.values())


def test_label_names_are_what_every_version_takes() -> None:
    assert [label_name(n) for n in ("ok_1", "bad-name", "1st", "", "é")] == [
        "ok_1",
        "bad_name",
        "_1st",
        "_",
        "_",
    ]


def test_active_alarm_ends_four_rounds_ahead_and_is_repeated_each_round() -> None:
    with m.receiving() as receiver:
        desk = Desk(receiver)
        desk.standing = [m.body()]

        assert desk.send(m.body()) == [(True, True)]
        assert desk.ends() == [m.NOW + timedelta(seconds=120)]
        desk.notifier.tend()
        desk.notifier.tend()
        assert len(receiver.bodies) == 2
        desk.clock.pass_by(31)
        desk.notifier.tend()

        assert len(receiver.bodies) == 3
        assert desk.ends() == [m.NOW + timedelta(seconds=151)]


def test_what_stands_in_the_record_is_announced_at_once_after_a_start() -> None:
    with m.receiving() as receiver:
        desk = Desk(receiver)
        stands = m.body(at=m.NOW - 300 * MINUTE)
        desk.standing = [stands | {"written_at": (m.NOW - 299 * MINUTE).isoformat()}]

        desk.notifier.tend()

        assert [alert["labels"]["asset"] for alert in desk.last()] == ["pump-7"]


def test_resolved_alarm_is_repeated_for_five_minutes_with_its_link() -> None:
    with m.receiving() as receiver:
        desk = Desk(receiver)
        desk.send(m.body())
        desk.clock.pass_by(600)
        cleared = m.NOW + timedelta(seconds=595)
        desk.send(m.body("cleared", at=cleared, raised_at=m.NOW))

        assert desk.ends() == [cleared]
        rounds = 0
        for _ in range(20):
            before = len(receiver.bodies)
            desk.notifier.tend()
            rounds += len(receiver.bodies) - before
            desk.clock.pass_by(30)

        assert 9 <= rounds <= 11
        assert desk.last()[0]["generatorURL"].startswith("http://127.0.0.1:8080/alarms/view?id=")


def test_alarm_over_before_it_was_told_still_fires_for_a_while() -> None:
    with m.receiving() as receiver:
        desk = Desk(receiver)

        both = [m.body(fault="data_gap"), m.body("cleared", fault="data_gap")]
        assert desk.send(*both) == [(True, True)] * 2

        assert len(desk.last()) == 1
        assert desk.ends() == [m.NOW + timedelta(seconds=60)]


def test_clear_of_an_alarm_told_before_a_restart_resolves_it_at_once() -> None:
    with m.receiving() as receiver:
        desk = Desk(receiver)

        desk.send(m.body("cleared", at=m.NOW, raised_at=m.NOW - 30 * MINUTE))

        assert desk.ends() == [m.NOW]


def test_raise_that_is_tried_again_undoes_no_clear() -> None:
    with m.receiving() as receiver:
        desk = Desk(receiver)
        desk.send(m.body())
        desk.clock.pass_by(120)
        desk.send(m.body("cleared", at=m.NOW + MINUTE, raised_at=m.NOW))

        desk.send(m.body())

        assert desk.ends() == [m.NOW + MINUTE]


def test_new_alarm_of_the_same_name_fires_though_the_last_was_just_resolved() -> None:
    with m.receiving() as receiver:
        desk = Desk(receiver)
        desk.send(m.body(), m.body("cleared", at=m.NOW + MINUTE, raised_at=m.NOW))
        desk.clock.pass_by(120)
        again = m.body(at=m.NOW + 2 * MINUTE, window="w9")
        desk.standing = [again]

        desk.send(again)
        desk.notifier.tend()

        assert desk.ends() == [m.NOW + 4 * MINUTE]


def test_alarm_cleared_through_another_notifier_is_not_kept_alive() -> None:
    with m.receiving() as receiver:
        desk = Desk(receiver)
        desk.send(m.body())

        desk.notifier.tend()

        assert len(receiver.bodies) == 1


def test_old_alarm_is_shown_not_paged() -> None:
    with m.receiving() as receiver:
        desk = Desk(receiver)
        old = m.body(at=m.NOW - 61 * MINUTE)

        assert desk.send(old, m.body()) == [(True, True)] * 2
        desk.standing = [old | {"written_at": m.NOW.isoformat()}]
        desk.notifier.tend()

        assert [len(d) for d in receiver.documents if isinstance(d, list)] == [1]


def test_every_instance_is_told_and_one_is_enough() -> None:
    with m.receiving() as up, m.receiving(m.answer(503)) as down:
        desk = Desk(down, up)

        assert desk.send(m.body()) == [(True, True)]

        assert len(up.bodies) == len(down.bodies) == 1


def test_dead_alertmanagers_put_rows_off_and_the_latest_state_wins_later() -> None:
    with m.receiving(m.answer(500), m.answer(500), m.OK) as receiver:
        desk = Desk(receiver)

        assert desk.send(m.body()) == [(False, False)]
        cleared = m.body("cleared", at=m.NOW, raised_at=m.NOW)
        assert desk.send(cleared) == [(False, False)]
        desk.clock.pass_by(60)
        assert desk.send(m.body(), cleared) == [(True, True)] * 2

        assert len(desk.last()) == 1
        assert desk.ends() == [m.NOW + timedelta(seconds=120)]  # it fires a while: nobody knew


@pytest.mark.parametrize("status", [400, 422])
def test_client_error_is_final_and_not_repeated(status: int) -> None:
    with m.receiving(m.answer(status, "bad label")) as receiver:
        desk = Desk(receiver)
        desk.standing = [m.body()]

        assert desk.send(m.body()) == [(False, True)]
        desk.clock.pass_by(31)
        desk.notifier.tend()

        assert len(receiver.bodies) == 1


def test_one_bad_alert_does_not_take_the_good_ones_with_it() -> None:
    with m.receiving(m.answer(400), m.answer(400), m.OK, m.OK) as receiver:
        desk = Desk(receiver)

        outcomes = desk.send(*(m.body(fault=fault) for fault in ("bad", "looseness", "imbalance")))

        assert outcomes == [(False, True), (True, True), (True, True)]
        assert len(receiver.bodies) == 4


def test_thousand_alarms_are_told_in_few_requests() -> None:
    with m.receiving() as receiver:
        desk = Desk(receiver)

        outcomes = desk.send(*(m.body(asset=f"a/b/c/m{k}") for k in range(1000)))

        assert all(sent for sent, _ in outcomes)
        assert len(receiver.bodies) == 5
