"""What every Source promises: the in-memory fake, the embedded log, real Kafka."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mmindustry.clock import SystemClock
from mmindustry.domain import GapKind, Message
from mmindustry.errors import Fenced, LayoutChanged
from mmindustry.ports import Source
from tests.contracts.stream_worlds import (
    PARTITIONS,
    QUICK,
    FakeWorld,
    KafkaWorld,
    LocalWorld,
    World,
    await_change,
    await_ready,
    claim_of,
    deadline,
    fresh,
    keys_of,
    new_policy,
    places,
    read,
    seek_patiently,
    settle,
    started,
)

pytest_plugins = ["tests.kafka_server"]
FAKE, LOCAL, KAFKA = "fake", "local", "kafka"
real = pytest.mark.parametrize(
    "kind", [LOCAL, pytest.param(KAFKA, marks=pytest.mark.kafka)], indirect=True
)


@pytest.fixture(params=[FAKE, LOCAL, pytest.param(KAFKA, marks=pytest.mark.kafka)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        if kind == FAKE:
            yield FakeWorld()
        elif kind == LOCAL:
            yield LocalWorld(tmp_path / "log", stack, new_policy(), SystemClock())
        else:
            broker = request.getfixturevalue("kafka_broker")
            yield KafkaWorld(broker.bootstrap_servers, stack, new_policy())


def test_first_claim_reads_each_partition_from_its_beginning(world: World) -> None:
    frames, audio, *_ = world.policy.topics.inputs
    for partition in range(PARTITIONS):
        (key,) = keys_of(partition)
        world.send(frames, key, b"f0", b"f1")
        world.send(audio, key, b"a0")
    source = started(world)

    found = read(source, 6)

    assert sorted(m.value or b"" for m in found) == [b"a0", b"a0", b"f0", b"f0", b"f1", b"f1"]
    assert not any(m.seen for m in found)
    assert {m.position.partition for m in found} == {0, 1}


def test_topics_of_a_partition_come_merged_in_append_order(world: World) -> None:
    (key,) = keys_of(0)
    inputs = world.policy.topics.inputs
    for round_ in range(12):
        world.send(inputs[round_ % 4], key, f"{round_}".encode())
    source = started(world)

    found = read(source, 12)

    times = [m.append_time for m in found]
    assert times == sorted(times)
    assert {m.position.topic for m in found} == set(inputs)
    for topic in inputs:
        offsets = [m.position.offset for m in found if m.position.topic == topic]
        assert offsets == sorted(offsets)


def test_what_comes_while_reading_is_read_in_append_order_too(world: World) -> None:
    (key,) = keys_of(1)
    inputs = world.policy.topics.inputs
    source = started(world)
    found: list[Message] = []
    for round_ in range(8):
        world.send(inputs[round_ % 4], key, b"now")
        world.send(inputs[(round_ + 1) % 4], key, b"then")
        found += source.poll()

    found += read(source, 16 - len(found))

    times = [m.append_time for m in found]
    assert times == sorted(times)


def test_messages_below_read_through_are_seen_and_those_after_are_not(world: World) -> None:
    (key,) = keys_of(0)
    frames = world.policy.topics.frames
    world.send(frames, key, b"0", b"1", b"2")
    source = started(world)
    read(source, 3)
    claim = claim_of(source, 0, {frames: 1})
    world.send(frames, key, b"3")

    source.seek(claim)
    found = read(source, 3)

    assert [(m.position.offset, m.seen) for m in found] == [(1, True), (2, True), (3, False)]


def test_partition_is_ready_only_when_all_topics_are_back_at_read_through(world: World) -> None:
    (key,) = keys_of(0)
    frames, audio, *_ = world.policy.topics.inputs
    world.send(frames, key, b"0", b"1")
    world.send(audio, key, b"0")
    source = started(world)
    read(source, 3)
    claim = claim_of(source, 0, {frames: 1, audio: 0})

    source.seek(claim)

    assert not source.arrival()[0].ready
    assert len(read(source, 2)) == 2
    await_ready(source, 0)
    assert source.arrival()[0].read_through[frames] == 2


def test_read_through_of_a_claim_never_goes_back_while_refilling(world: World) -> None:
    (key,) = keys_of(0)
    frames = world.policy.topics.frames
    world.send(frames, key, b"0", b"1", b"2")
    source = started(world)
    read(source, 3)

    source.seek(claim_of(source, 0, {frames: 0}))

    assert source.arrival()[0].read_through[frames] == 3


def test_arrival_clock_begins_at_the_claims_and_never_goes_back(world: World) -> None:
    (key,) = keys_of(0)
    frames = world.policy.topics.frames
    world.send(frames, key, b"0", b"1")
    source = started(world)
    assert source.arrival()[0].time is None
    found = read(source, 2)
    before = source.arrival()[0].time
    assert before is not None
    assert before >= found[-1].append_time

    source.seek(claim_of(source, 0, {frames: 0}))
    after = [source.arrival()[0].time]
    read(source, 2)
    after.append(source.arrival()[0].time)

    assert all(time is not None and time >= before for time in after)


def test_offsets_counted_from_first_are_those_received(world: World) -> None:
    (key,) = keys_of(1)
    frames = world.policy.topics.frames
    world.send(frames, key, b"0", b"1", b"2")
    source = started(world)

    read(source, 3)

    arrival = source.arrival()[1]
    received = arrival.read_through[frames] - arrival.first[frames] - arrival.skipped[frames]
    assert received == 3


def test_retention_that_passed_what_is_needed_is_a_gap_naming_the_offsets(world: World) -> None:
    (key,) = keys_of(0)
    frames = world.policy.topics.frames
    world.send(frames, key, b"0", b"1", b"2")
    source = started(world)
    read(source, 3)
    claim = claim_of(source, 0, {frames: 1})
    world.send(frames, key, b"3", b"4")
    world.expire()
    world.send(frames, key, b"5")

    source.seek(claim)
    found = read(source, 1)
    gaps = source.losses()

    assert [(m.position.offset, m.seen) for m in found] == [(5, False)]
    assert [(g.kind, g.source, g.first_offset, g.last_offset) for g in gaps] == [
        (GapKind.DATA, frames, 1, 5)
    ]
    assert source.losses() == []
    arrival = source.arrival()[0]
    assert arrival.skipped[frames] == 2
    assert arrival.read_through[frames] - arrival.first[frames] - arrival.skipped[frames] == 4


def test_topic_made_anew_stops_the_partition(world: World) -> None:
    (key,) = keys_of(0)
    frames = world.policy.topics.frames
    world.send(frames, key, b"0")
    source = started(world)
    read(source, 1)
    claim = claim_of(source, 0)
    world.remake(frames)

    with pytest.raises(LayoutChanged, match="relayout"):
        source.seek(claim)


def test_log_that_ends_before_what_was_read_stops_the_partition(world: World) -> None:
    (key,) = keys_of(0)
    frames = world.policy.topics.frames
    world.send(frames, key, b"0")
    source = started(world)
    read(source, 1)
    claim = claim_of(source, 0)
    assert claim.progress is not None
    known = claim.progress.topics[frames]
    ahead = type(known)(known.topic_id, known.first, 7, 7)
    claim.progress.topics[frames] = ahead  # type: ignore[index]

    with pytest.raises(LayoutChanged, match="end"):
        source.seek(claim)


def test_second_member_shares_the_partitions_and_the_first_is_told(world: World) -> None:
    first = started(world)
    second = world.source()

    settle(first, second)

    assert sorted((*first.held(), *second.held())) == [0, 1]


def test_keep_reads_nothing_and_is_fenced_once_a_change_is_noted(world: World) -> None:
    (key,) = keys_of(0)
    frames = world.policy.topics.frames
    first = started(world)
    first.keep()
    world.send(frames, key, b"0")
    first.keep()
    assert first.arrival()[0].read_through[frames] == 0
    second = world.source()

    with pytest.raises(Fenced):
        keep_and_poll(first, second)


def keep_and_poll(kept: Source, other: Source) -> None:
    """Keep one member alive while another joins, for ever."""
    with deadline("a noted change") as check:
        while True:
            other.poll()
            kept.keep()
            check()


@real
def test_keep_is_fenced_when_the_process_is_to_stop(world: World) -> None:
    source = world.source(lambda: True)

    with pytest.raises(Fenced, match="stop"):
        source.keep()


@real
def test_arrival_clock_runs_on_while_every_topic_is_at_its_end(world: World) -> None:
    (key,) = keys_of(0)
    world.send(world.policy.topics.frames, key, b"0")
    source = started(world)
    (message,) = read(source, 1)

    with deadline("the clock to run half a second on") as check:
        while True:
            assert source.poll() == []
            time = source.arrival()[0].time
            assert time is not None
            if (time - message.append_time).total_seconds() > 0.5:
                break
            check()

    assert source.arrival()[1].time is None


@real
def test_messages_after_a_quiet_time_are_not_below_the_arrival_clock(world: World) -> None:
    (key,) = keys_of(0)
    frames, audio, *_ = world.policy.topics.inputs
    world.send(frames, key, b"0")
    source = started(world)
    read(source, 1)

    for topic in (audio, frames, audio):
        for _ in range(5):
            source.poll()
        clock = source.arrival()[0].time
        world.send(topic, key, b"x")
        (message,) = read(source, 1)
        assert clock is not None
        assert message.append_time >= clock


@real
def test_poll_is_bounded_in_messages_and_bytes_and_loses_nothing(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bounds = replace(QUICK, poll_messages=7, poll_bytes=200_000, buffer_bytes=1024 * 1024)
    policy = new_policy(bounds)
    with contextlib.ExitStack() as stack:
        small: World = (
            LocalWorld(tmp_path / "small", stack, policy, SystemClock())
            if kind == LOCAL
            else KafkaWorld(
                request.getfixturevalue("kafka_broker").bootstrap_servers, stack, policy
            )
        )
        frames, audio, *_ = small.policy.topics.inputs
        for partition in range(PARTITIONS):
            (key,) = keys_of(partition)
            small.send(frames, key, *[bytes(60_000)] * 40)
            small.send(audio, key, *[b"a"] * 10, bytes(400_000))
        source = started(small)

        found: list[Message] = []
        with deadline("all messages") as check:
            while len(found) < 102:
                batch = list(source.poll())
                size = sum(len(m.value or b"") for m in batch)
                assert len(batch) <= 7
                assert size <= 200_000 or len(batch) == 1
                found += batch
                check()

    assert len(set(places(found))) == 102


@real
def test_committed_offset_is_a_hint_and_the_claim_decides(world: World) -> None:
    (key,) = keys_of(0)
    frames = world.policy.topics.frames
    world.send(frames, key, b"0", b"1", b"2")
    source = started(world)
    read(source, 3)
    claim = claim_of(source, 0)
    assert claim.progress is not None
    source.commit([claim.progress])
    source.poll()

    source.seek(fresh(0))

    assert [m.position.offset for m in read(source, 3)] == [0, 1, 2]


@real
def test_topic_made_anew_while_it_is_read_asks_for_a_new_claim(world: World) -> None:
    (key,) = keys_of(0)
    frames = world.policy.topics.frames
    world.send(frames, key, b"0", b"1")
    source = started(world)
    read(source, 2)
    claim = claim_of(source, 0)
    world.remake(frames)

    await_change(source)

    with pytest.raises(LayoutChanged, match="relayout"):
        seek_patiently(source, claim)
