from datetime import timedelta

import pytest

from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.alerting.rules import Rules
from mmindustry.domain import AlarmState, Change, Claim, Gap, GapKind, Modality, Priority, Sensor
from tests.unit.alerting import material as m
from tests.unit.alerting.material import Record, prediction

R, C = Change.RAISED, Change.CLEARED


def changes(record: Record) -> list[tuple[str, Change]]:
    return [(t.key.fault, t.change) for t in record.transitions]


def test_three_of_five_windows_raise_and_two_do_not() -> None:
    record = Record()

    assert record.scores(0.9, 0.1, 0.9, 0.1, 0.1, 0.9) == []
    (raised,) = record.scores(0.9, 0.9, first=6)

    assert (raised.key.fault, raised.change) == (m.FAULT, R)
    assert raised.key.window == m.key(6).id
    assert raised.at == raised.raised_at == m.START + 7 * m.LENGTH


def test_demo_rule_of_two_of_three_raises_sooner() -> None:
    record = Record(AlertingPolicy(k=2, n=3))

    (raised,) = record.scores(0.9, 0.1, 0.9)

    assert raised.key.window == m.key(2).id


def test_active_alarm_is_raised_once_and_cleared_only_after_the_off_delay() -> None:
    record = Record()

    record.scores(*[0.9] * 8, 0.1, 0.1, 0.5, 0.1, 0.1)
    assert changes(record) == [(m.FAULT, R)]
    (cleared,) = record.scores(0.1, first=13)

    assert cleared.change is C
    assert cleared.key == record.transitions[0].key
    assert cleared.raised_at == record.transitions[0].at
    assert cleared.at == m.START + 14 * m.LENGTH


def test_cleared_alarm_needs_the_whole_on_delay_again() -> None:
    record = Record()

    record.scores(0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9)
    assert changes(record) == [(m.FAULT, R), (m.FAULT, C)]
    (again,) = record.scores(0.9, first=8)

    assert again.key != record.transitions[0].key


def test_failed_prediction_is_no_vote() -> None:
    record = Record()

    record.fold([prediction(0, 0.9), prediction(1, 0.9)])
    record.fold([m.failed(k) for k in range(2, 12)])
    (raised,) = record.fold([prediction(12, 0.9)])

    assert raised.change is R


def test_unregistered_asset_never_alarms() -> None:
    record = Record(registered=())

    record.fold([prediction(k, 0.99, registered=False) for k in range(10)], [m.quiet()])

    assert record.transitions == []
    assert record.states == {}


def test_an_asset_registered_while_the_line_runs_is_told_of_when_it_falls_silent() -> None:
    record = Record(registered=())
    spoken_for = Sensor(source="mic", asset=m.ASSET, modality=Modality.AUDIO)

    record.rules.register([spoken_for])

    (raised,) = record.fold([], [m.quiet()])
    assert (raised.key.asset, raised.change) == (m.ASSET, R)


def test_standing_machine_neither_raises_nor_clears() -> None:
    record = Record()
    record.scores(0.9, 0.9, 0.9)

    still = [prediction(3 + k, 0.0, running=False) for k in range(10)]
    loud = [prediction(13 + k, 0.99, fault="imbalance", running=False) for k in range(10)]
    record.fold([*still, *loud])

    assert changes(record) == [(m.FAULT, R)]


@pytest.mark.parametrize(
    "weak",
    [
        {"findings": (("camera_frozen", "cam"),)},
        {"findings": (("source_missing", "cam"),)},
        {"quality": {"image": 0.2, "audio": 1.0, "text": 1.0}},
        {"absent": ("image", "audio", "text")},
    ],
    ids=["finding", "partial", "low-quality", "nothing-present"],
)
def test_weak_window_never_clears_an_alarm_but_may_raise_one(weak: dict[str, object]) -> None:
    record = Record()

    record.fold([prediction(k, 0.9, **weak) for k in range(3)])  # type: ignore[arg-type]
    assert (m.FAULT, R) in changes(record)
    record.fold([prediction(3 + k, 0.0, **weak) for k in range(50)])  # type: ignore[arg-type]
    assert (m.FAULT, C) not in changes(record)
    record.scores(0.0, 0.0, 0.0, first=53)

    assert (m.FAULT, C) in changes(record)


def test_low_quality_of_an_absent_modality_makes_no_window_weak() -> None:
    record = Record()
    record.scores(0.9, 0.9, 0.9)

    quality = {"image": 0.0, "audio": 1.0, "text": 0.0}
    record.fold(
        [prediction(3 + k, 0.0, quality=quality, absent=("image", "text")) for k in range(3)]
    )

    assert changes(record) == [(m.FAULT, R), (m.FAULT, C)]


def test_votes_fade_over_partial_windows() -> None:
    """A camera that is gone for good may not turn three spikes of a year into an alarm."""
    record = Record()
    partial = (("source_missing", "cam"),)

    for spike in range(6):
        first = spike * 20
        record.fold([prediction(first, 0.9, findings=partial)])
        record.fold([prediction(first + 1 + k, 0.1, findings=partial) for k in range(10)])

    assert record.transitions == []


def test_bad_sensor_raises_sensor_quality_naming_it_and_its_recovery_clears() -> None:
    record = Record()
    frozen = (("camera_frozen", "cam-2"),)

    record.fold([prediction(k, 0.0, findings=frozen, absent=("image",)) for k in range(3)])
    (raised,) = record.transitions
    assert (raised.key.fault, raised.source, raised.priority) == (
        "sensor_quality",
        "cam-2",
        Priority.LOW,
    )
    record.scores(0.0, 0.0, 0.0, first=3)

    assert changes(record) == [("sensor_quality", R), ("sensor_quality", C)]


def test_two_bad_sensors_are_two_alarms_of_one_window() -> None:
    record = Record()
    both = (("camera_frozen", "cam"), ("microphone_silent", "mic"))

    record.fold([prediction(k, 0.0, findings=both) for k in range(3)])

    assert {t.source for t in record.transitions} == {"cam", "mic"}
    assert len({t.key.id for t in record.transitions}) == 2


def test_sensor_that_said_nothing_is_not_taken_for_recovered() -> None:
    record = Record()
    bad = (("microphone_silent", "mic"),)
    record.fold([prediction(k, 0.0, findings=bad, absent=("audio",)) for k in range(3)])

    record.fold([prediction(3 + k, 0.0, absent=("audio",)) for k in range(5)])
    missing = (("source_missing", "mic"),)
    record.fold([prediction(8 + k, 0.0, findings=missing) for k in range(5)])

    assert changes(record) == [("sensor_quality", R)]


def test_slow_black_camera_is_found_though_most_windows_hold_none_of_its_frames() -> None:
    record = Record()

    for k in range(12):
        findings = (("camera_black", "cam"),) if k % 4 == 0 else ()
        record.fold([prediction(k, 0.0, findings=findings, absent=("image",))])

    assert changes(record) == [("sensor_quality", R)]


def test_defective_products_raise_and_empty_lanes_say_nothing() -> None:
    record = Record()
    bad = {"good": 0.1, "scratch": 0.9}

    for k in range(5):
        record.fold([prediction(k, 0.0, product=bad if k % 2 == 0 else None)])
    (raised,) = record.transitions
    record.fold([prediction(5 + k, 0.0) for k in range(10)])
    assert len(record.transitions) == 1
    record.fold([prediction(15 + k, 0.0, product={"good": 0.95}) for k in range(3)])

    assert raised.score == pytest.approx(0.9)
    assert changes(record) == [("product_defect", R), ("product_defect", C)]


def test_novelty_accumulates_and_needs_a_profile() -> None:
    record = Record()
    odd = {"audio": 0.001, "image": 0.6}

    record.fold([prediction(k, 0.0, novelty=odd) for k in range(20)])
    assert record.transitions == []
    record.fold([prediction(20 + k, 0.0, novelty=odd, profile="v1") for k in range(6)])

    (raised,) = record.transitions
    assert (raised.key.fault, raised.source) == ("novelty", "audio")


def test_ordinary_p_values_raise_no_novelty_in_a_week() -> None:
    import numpy as np  # noqa: PLC0415 - used here alone

    record = Record()
    p_values = np.random.default_rng(5).uniform(0, 1, 60_480)

    for k, p_value in enumerate(p_values):
        record.fold([prediction(k, 0.0, novelty={"audio": float(p_value)}, profile="v1")])

    assert record.transitions == []


def test_named_fault_explains_its_novelty() -> None:
    record = Record()
    odd = {"audio": 0.0001}

    record.fold([prediction(k, 0.9, novelty=odd, profile="v1") for k in range(30)])
    record.fold([prediction(30 + k, 0.0, novelty={"audio": 0.5}, profile="v1") for k in range(9)])

    assert changes(record) == [(m.FAULT, R), (m.FAULT, C)]


def test_new_profile_begins_a_new_sum() -> None:
    record = Record()
    odd = {"audio": 0.001}

    for version in range(5):
        first = version * 4
        record.fold(
            [prediction(first + k, 0, novelty=odd, profile=f"v{version}") for k in range(4)]
        )

    assert record.transitions == []


def test_bundle_threshold_holds_and_the_plants_own_overrides_it() -> None:
    def of_bundle(bundle: str) -> dict[str, dict[str, float]]:
        return {m.FAULT: {"on": 0.8, "off": 0.7}} if bundle == "b1" else {}

    bundled = Rules(m.POLICY, of_bundle)
    plant = Rules(AlertingPolicy(on_by_fault={m.FAULT: 0.4}), of_bundle)
    windows = [prediction(k, 0.75) for k in range(5)]

    assert bundled.fold(windows, [])[0] == []
    assert len(plant.fold(windows, [])[0]) == 1


def test_high_risk_makes_high_priority() -> None:
    calm, urgent = Record(), Record()

    calm.scores(0.9, 0.9, 0.9)
    urgent.fold([prediction(k, 0.9, risk=0.8) for k in range(3)])

    assert calm.transitions[0].priority is Priority.MEDIUM
    assert urgent.transitions[0].priority is Priority.HIGH


def test_clear_repeats_what_its_raise_said_of_priority_and_source() -> None:
    record = Record()
    record.fold([prediction(k, 0.9, risk=0.8) for k in range(3)])
    odd, even = {"audio": 0.0001, "image": 1.0}, {"audio": 1.0, "image": 0.9}
    record.fold([prediction(3 + k, 0.0) for k in range(3)])
    record.fold([prediction(6 + k, 0.0, novelty=odd, profile="v") for k in range(8)])
    record.crash()
    record.fold([prediction(14 + k, 0.0, novelty=even, profile="v") for k in range(40)])

    told = [(t.key, t.priority, t.source, t.raised_at) for t in record.transitions]
    assert told[0] == told[1]
    assert told[2] == told[3]
    assert told[2][2] == "audio"


def test_alarm_carries_the_evidence_it_rests_on() -> None:
    record = Record()

    (raised,) = record.scores(0.9, 0.9, 0.9)

    assert raised.evidence is not None
    assert raised.evidence["probabilities"] == {m.FAULT: 0.9, "healthy": pytest.approx(0.1)}
    assert raised.evidence["terms"] == {"image": 0.1, "audio": 2.0, "text": 0.3}
    assert raised.evidence["rule"] == "3 of 5"
    assert raised.bundle == "b1"
    assert raised.window == m.key(2)


def test_quiet_sensor_alarms_until_its_gap_ends() -> None:
    record = Record()

    record.fold(gaps=[m.quiet()])
    record.crash()
    record.fold(gaps=[m.quiet(), m.quiet("other", ended=5.0)])
    record.fold(gaps=[m.quiet(ended=90.0)])

    raised, cleared = record.transitions
    assert (raised.key.fault, raised.source, raised.change) == ("quiet", "mic", R)
    assert cleared.key == raised.key
    assert cleared.at == m.START + timedelta(seconds=90)


def test_lost_offsets_raise_data_gap_and_stay_to_be_acknowledged() -> None:
    record = Record()
    loss = Gap(
        partition=3,
        asset="",
        source="mm.audio",
        kind=GapKind.DATA,
        started=m.START,
        ended=m.START,
        first_offset=7,
        last_offset=19,
    )

    record.fold(gaps=[loss])

    raised, cleared = record.transitions
    assert raised.key.id == f"|data_gap|mm.audio/3@{m.START.isoformat()}"
    assert (raised.change, cleared.change) == (R, C)
    assert raised.evidence is not None
    assert raised.evidence["first_offset"] == 7
    assert record.states == {}


def test_windows_of_two_policies_are_counted_apart() -> None:
    record = Record()

    record.fold([prediction(k, 0.9, policy=policy) for k in range(2) for policy in ("p10", "p60")])
    assert record.transitions == []
    record.fold([prediction(2, 0.9, policy="p60")])

    assert len(record.transitions) == 1


def test_steady_health_writes_nothing() -> None:
    record = Record()
    record.scores(0.1)
    record.states.clear()

    assert record.rules.fold([prediction(1 + k, 0.1) for k in range(20)], []) == ([], [])


def test_forgetting_drops_all_memory() -> None:
    record = Record()
    record.scores(0.9, 0.9)

    record.rules.forget()

    assert record.scores(0.9, first=2) == []


def test_state_of_a_newer_make_is_refused() -> None:
    claim = Claim(
        partition=0, epoch=1, progress=None, alarms=(AlarmState(m.ASSET, {"version": 9}),)
    )

    with pytest.raises(ValueError, match="version 9"):
        Rules(m.POLICY).restore(claim)


REVISED = [prediction(0, 0.9), prediction(1, 0.9, revision=1), prediction(2, 0.9, revision=1)]


def test_revision_raises_a_late_alarm_when_k_of_the_n_windows_vote() -> None:
    record = Record()
    record.scores(0.1, 0.9, 0.1, 0.1, 0.1)

    (raised,) = record.revise(REVISED)

    assert raised.late
    assert raised.key.window == REVISED[-1].window.id
    assert raised.at == REVISED[-1].end


def test_revision_raises_nothing_that_is_active_and_never_twice() -> None:
    live, late = Record(), Record()
    live.scores(0.9, 0.9, 0.9)
    late.revise(REVISED)
    late.crash()

    assert live.revise(REVISED) == []
    assert late.revise([*REVISED, prediction(3, 0.9, revision=1)]) == []


def test_revision_below_the_threshold_clears_nothing() -> None:
    record = Record()
    record.scores(0.9, 0.9, 0.9)

    assert record.revise([prediction(k, 0.0, revision=1) for k in range(5)]) == []
    assert changes(record) == [(m.FAULT, R)]


@pytest.mark.parametrize(
    "last",
    [m.failed(2), prediction(2, 0.9, registered=False), prediction(2, 0.9, running=False)],
    ids=["failed", "unregistered", "standing"],
)
def test_revision_that_says_nothing_raises_nothing(last: object) -> None:
    assert Record().revise([*REVISED[:2], last]) == []  # type: ignore[list-item]


def test_late_alarm_leaves_the_live_ones_as_they_were_and_is_calmed_by_live_windows() -> None:
    record = Record()
    record.revise(REVISED)

    record.scores(0.9, 0.9, 0.9, 0.1, 0.1, first=10)
    assert [(t.change, t.late) for t in record.transitions] == [(R, True), (R, False)]
    record.scores(0.1, first=15)

    assert sorted((t.change.value, t.late) for t in record.transitions[2:]) == [
        ("cleared", False),
        ("cleared", True),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"k": 6},
        {"k": 0},
        {"off_windows": 0},
        {"on_probability": 0.3},
        {"low_quality": 2.0},
        {"on_by_fault": {"x": 0.0}},
        {"novelty_drift": 1.0},
    ],
    ids=str,
)
def test_rules_that_cannot_be_followed_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"\d|must"):
        AlertingPolicy(**change)  # type: ignore[arg-type]  # the point of the test
