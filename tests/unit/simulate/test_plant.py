from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from mmindustry.codec.decode import decode
from mmindustry.codec.partition import partition_of
from mmindustry.codec.policy import CodecPolicy
from mmindustry.domain import Chunk, Event, Frame, Message, Modality, Position
from mmindustry.simulate.agenda import Agenda, Script
from mmindustry.simulate.machine import draw_machine
from mmindustry.simulate.plant import SimulatedPlant
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.roads import Emission
from mmindustry.simulate.scenario import (
    ONSET_SECONDS,
    SEVERE_SECONDS,
    demo_scenario,
    healthy_scenario,
)
from mmindustry.store.equipment import equipment_of

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
TROUBLED = SimulatePolicy(
    seed=4,
    assets=3,
    acceleration=3000,
    fault_every_hours=40,
    duplicate_share=0.05,
    late_share=0.05,
    outages_per_hour=40,
    outage_seconds=10,
    broken_sensors_per_hour=2,
    routine_entries_per_hour=200,
)


@pytest.fixture(scope="module")
def troubled() -> list[Emission]:
    return list(SimulatedPlant(TROUBLED, START).emissions(90))


@pytest.fixture(scope="module")
def demo() -> list[Emission]:
    return list(demo_scenario().plant(START).emissions(40))


def events_of(emissions: list[Emission], count: int = 4) -> list[Event]:
    messages = [
        Message(
            Position(e.topic, partition_of(e.key, count), number),
            e.key,
            e.value,
            e.headers,
            e.arrival,
        )
        for number, e in enumerate(emissions)
    ]
    events, letters = decode(messages, count=count, policy=CodecPolicy())
    assert letters == []
    return events


def test_messages_come_in_order_of_arrival_and_decode(troubled: list[Emission]) -> None:
    assert all(a.arrival <= b.arrival for a, b in pairwise(troubled))
    events = events_of(troubled)

    assert {event.modality for event in events} == set(Modality)
    assert not any("clock_ahead" in event.flags for event in events)
    assert all(e.time == m.time for e, m in zip(events, troubled, strict=True))


def test_the_same_plant_emits_the_same_bytes() -> None:
    again = [list(SimulatedPlant(TROUBLED, START).emissions(6)) for _ in range(2)]

    assert again[0] == again[1]


def test_a_shorter_look_is_the_beginning_of_a_longer_one(troubled: list[Emission]) -> None:
    short = list(SimulatedPlant(TROUBLED, START).emissions(6))
    early = [e for e in short if e.arrival < START + timedelta(seconds=6)]

    assert early == troubled[: len(early)]


def test_some_messages_come_twice_late_or_not_at_all(troubled: list[Emission]) -> None:
    events = events_of(troubled)
    identities = [event.identity for event in events]
    twice = len(identities) - len(set(identities))
    sound = [e for e in troubled if e.topic == "mm.audio"]
    late = [e for e in sound if e.arrival - e.time > timedelta(seconds=8)]

    assert 0.01 < twice / len(events) < 0.1
    assert 0.01 < len(late) / len(sound) < 0.12
    assert len({(e.headers[1], e.key) for e in sound}) < 3 * 90


def test_sensor_clocks_are_off_each_by_its_own_amount(troubled: list[Emission]) -> None:
    offsets: dict[bytes, float] = {}
    for emission in troubled:
        if emission.topic == "mm.audio":
            source = dict(emission.headers)["ce_source"]
            offsets.setdefault(source, (emission.time - START).total_seconds() % 1.0)

    assert len(set(offsets.values())) == len(offsets) == 3


def test_frames_say_what_stands_on_the_lane(demo: list[Emission]) -> None:
    notes = [e.truth_note for e in demo if e.topic == "mm.frames"]

    assert all("product" in note and "speed_rpm" in note for note in notes)
    assert {note["product"] for note in notes} == {"good", "empty"}


def test_some_parts_of_a_running_plant_are_bad(troubled: list[Emission]) -> None:
    seen = {e.truth_note["product"] for e in troubled if e.truth_note.get("product")}

    assert "good" in seen
    assert len(seen) > 1


def test_chunks_follow_each_other_without_a_hole(demo: list[Emission]) -> None:
    sound: dict[str, list[Event]] = {}
    for event in events_of(demo):
        if isinstance(event.content, Chunk):
            sound.setdefault(event.source, []).append(event)

    assert len(sound) == 4
    for chunks in sound.values():
        ordered = sorted({event.identity: event for event in chunks}.values(), key=lambda e: e.time)
        assert len(ordered) == 40
        for one, following in pairwise(ordered):
            assert abs((following.time - one.end).total_seconds()) < 0.001


def test_the_demo_loses_one_bearing_when_it_says_and_nothing_else(demo: list[Emission]) -> None:
    scenario = demo_scenario()
    (episode,) = scenario.plant(START).episodes()
    onset = START + timedelta(seconds=ONSET_SECONDS)

    assert (episode.asset, episode.fault) == (scenario.path, scenario.fault)
    assert episode.onset == onset
    assert episode.severity(onset - timedelta(seconds=1)) == 0
    assert episode.severity(START + timedelta(seconds=SEVERE_SECONDS)) == pytest.approx(0.9)
    assert episode.severity(START + timedelta(hours=1, seconds=11)) > 0.99
    sick = {e.truth_note["asset"] for e in demo if e.truth_note["fault"] != "healthy"}
    assert sick == {scenario.path}
    assert all(e.truth_note["severity"] == 0 for e in demo if e.time < onset - timedelta(seconds=1))


def test_the_demos_fault_is_heard_seen_and_written_of(demo: list[Emission]) -> None:
    scenario = demo_scenario()
    mine = [event for event in events_of(demo) if event.asset == scenario.path]
    sounds = [e for e in mine if isinstance(e.content, Chunk)]
    words = b" ".join(e.value for e in demo if e.topic == "mm.logs" and b"brg" in e.value)

    def peaks(seconds: float) -> float:
        near = [e for e in sounds if abs((e.time - START).total_seconds() - seconds) < 3]
        samples = [np.frombuffer(e.content.payload, ">i2").astype(float) for e in near]  # type: ignore[union-attr]
        return float(np.mean([np.mean((s / s.std()) ** 4) for s in samples]))

    assert peaks(25) > peaks(6) + 0.5
    assert b"grinding noise fm DE brg" in words
    assert any(isinstance(e.content, Frame) for e in mine)


def test_the_healthy_demo_is_the_same_plant_without_the_fault(demo: list[Emission]) -> None:
    plant = healthy_scenario().plant(START)
    calm = list(plant.emissions(20))

    assert plant.episodes() == ()
    assert {e.truth_note["fault"] for e in calm} == {"healthy"}
    before = START + timedelta(seconds=ONSET_SECONDS - 2)
    assert [e.value for e in calm if e.arrival < before] == [
        e.value for e in demo if e.arrival < before
    ]
    assert any(e.truth_note["twins"] for e in calm)


def test_the_papers_are_taken_by_the_registry() -> None:
    plant = SimulatedPlant(SimulatePolicy(assets=12), START)

    known = dict(equipment_of(plant.equipment()).assets())

    assert set(known) == {machine.path for machine in plant.fleet}
    for machine in plant.fleet:
        entry = known[machine.path]
        assert {s.source for s in entry.sensors} == {machine.source(m) for m in Modality}
        assert entry.card.bearings[0].balls == machine.card.bearings[0].balls
        assert set(entry.card.regions) == {"gauge", "tacho", "floor", "product"}


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        SimulatedPlant(SimulatePolicy(), datetime(2026, 1, 5))  # noqa: DTZ001 - the mistake


def test_episodes_follow_each_other_and_some_are_overhauled_in_time() -> None:
    policy = SimulatePolicy(seed=2, assets=12, fault_every_hours=100)
    plant = SimulatedPlant(policy, START)

    episodes = plant.episodes(60 * 86_400)

    assert list(episodes) == sorted(episodes, key=lambda e: (e.onset, e.asset))
    censored = [e for e in episodes if e.ended is not None]
    assert 0.15 < len(censored) / len(episodes) < 0.5
    assert all(e.onset < e.last <= e.failure for e in episodes)
    for machine in plant.fleet:
        own = [e for e in episodes if e.asset == machine.path]
        assert all(one.last < following.onset for one, following in pairwise(own))
    last = episodes[0]
    assert last.severity(last.last + timedelta(seconds=1)) == 0


def test_machines_stop_for_repair_and_some_at_night() -> None:
    policy = SimulatePolicy(seed=2, assets=12, fault_every_hours=100)
    agendas = [Agenda(draw_machine(policy, n), policy, START) for n in range(12)]
    first = agendas[0].episodes(START + timedelta(days=60))[0]
    repaired = first.last + timedelta(minutes=30)
    night = [
        a.running((datetime(2026, 1, 5, 23, 30, tzinfo=UTC) - START).total_seconds())
        for a in agendas
    ]
    day = [a.running(3600.0 * hour) for a in agendas for hour in (1, 2, 3, 4)]

    assert not agendas[0].running((repaired - START).total_seconds())
    assert 1 <= night.count(False) <= 9
    assert day.count(True) > 0.8 * len(day)


def test_a_leak_in_its_last_stage_drowns_the_microphone() -> None:
    policy = SimulatePolicy(seed=2, assets=30, fault_every_hours=20)
    leaks = [
        (agenda, episode)
        for agenda in (Agenda(draw_machine(policy, n), policy, START) for n in range(30))
        for episode in agenda.episodes(START + timedelta(days=40))
        if episode.fault == "seal_leak" and episode.ended is None
    ]
    agenda, episode = leaks[0]
    late = (episode.failure - START).total_seconds() - 1

    assert agenda.trouble(Modality.AUDIO, late) == "microphone_silent"


def test_a_script_is_followed_to_the_letter() -> None:
    policy = SimulatePolicy(seed=2, assets=1, outages_per_hour=60, broken_sensors_per_hour=60)
    agenda = Agenda(draw_machine(policy, 0), policy, START, Script())

    for at in (0.0, 500.0, 80_000.0):
        assert agenda.running(at)
        assert agenda.situation(at).fault == "healthy"
        assert all(agenda.trouble(modality, at) == "" for modality in Modality)


def test_speed_changes_by_ramps() -> None:
    policy = SimulatePolicy(seed=2, assets=1)
    agenda = Agenda(draw_machine(policy, 0), policy, START)

    speeds = np.array([agenda.situation(float(at)).speed_rpm for at in range(0, 3600, 2)])

    assert np.ptp(speeds) > 50
    assert np.abs(np.diff(speeds)).max() < 0.12 * np.ptp(speeds) + 1
