"""What we found out about Kafka and kafka-python and lean on; an update that changes it is told."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from confluent_kafka import Producer
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.partitioner.default import murmur2

from deploy.local.kafka import LocalKafka
from mmindustry.clock import SystemClock
from mmindustry.codec.partition import partition_of
from mmindustry.errors import LayoutChanged
from mmindustry.stream.admin import TopicSpec
from mmindustry.stream.kafka.member import Member
from tests.contracts.stream_worlds import (
    PARTITIONS,
    PATIENCE_SECONDS,
    KafkaWorld,
    await_change,
    claim_of,
    deadline,
    fresh,
    keys_of,
    new_policy,
    read,
    seek_patiently,
    started,
)

pytest_plugins = ["tests.kafka_server"]
pytestmark = pytest.mark.kafka


@pytest.fixture
def world(kafka_broker: LocalKafka) -> Iterator[KafkaWorld]:
    with contextlib.ExitStack() as stack:
        yield KafkaWorld(kafka_broker.bootstrap_servers, stack, new_policy())


def test_our_murmur2_puts_every_key_where_kafkas_own_partitioner_does() -> None:
    keys = [f"site-{i}/area/line-{i % 7}/pump-{i * i}".encode() for i in range(500)]

    theirs = [(murmur2(key) & 0x7FFFFFFF) % 12 for key in keys]

    assert [partition_of(key, 12) for key in keys] == theirs


def librdkafka_partitions(
    world: KafkaWorld, keys: list[bytes], partitioner: str
) -> list[int | None]:
    """Return the partition that librdkafka, which kcat is made with, gives each key."""
    placed: dict[bytes | None, int | None] = {}
    producer = Producer({"bootstrap.servers": world.servers, "partitioner": partitioner})
    for key in keys:
        producer.produce(
            world.policy.topics.logs,
            key=key,
            value=b"{}",
            on_delivery=lambda _error, message: placed.update({message.key(): message.partition()}),
        )
    assert producer.flush(PATIENCE_SECONDS) == 0
    return [placed[key] for key in keys]


def test_kcat_puts_every_key_where_we_do_with_murmur2_random_only(world: KafkaWorld) -> None:
    keys = [f"site-{i}/area/line-{i % 7}/pump-{i * i}".encode() for i in range(60)]
    ours = [partition_of(key, PARTITIONS) for key in keys]

    assert librdkafka_partitions(world, keys, "murmur2_random") == ours
    assert librdkafka_partitions(world, keys, "consistent_random") != ours


class Seeker(ConsumerRebalanceListener):  # type: ignore[misc]  # no types
    """Seeks to offset 2 whenever something is assigned, and keeps every assignment."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self.consumer = consumer
        self.assignments: list[set[TopicPartition]] = []

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let go."""

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.assignments.append(set(assigned))
        for place in assigned:
            self.consumer.seek(place, 2)


def test_seek_inside_an_assignment_holds_over_an_eager_rebalance(world: KafkaWorld) -> None:
    inputs = world.policy.topics.inputs[:3]
    for topic in inputs:
        for partition in (0, 1):
            (key,) = keys_of(partition)
            world.send(topic, key, b"0", b"1", b"2", b"3")
    with contextlib.ExitStack() as stack:
        members = [stack.enter_context(new_member(world, inputs)) for _ in range(2)]
        first: dict[TopicPartition, int] = {}
        with deadline("both members to read") as check:
            while len(first) < 6 or not all(seeker.assignments for _, seeker in members):
                for consumer, _ in members:
                    for place, records in consumer.poll(timeout_ms=50).items():
                        first[place] = min(first.get(place, 99), records[0].offset)
                check()

    assert set(first.values()) == {2}
    assert len(first) == 6
    last = [{place.partition for place in seeker.assignments[-1]} for _, seeker in members]
    assert all(len(partitions) <= 2 for partitions in last)


@contextlib.contextmanager
def new_member(
    world: KafkaWorld, topics: tuple[str, ...]
) -> Iterator[tuple[KafkaConsumer, Seeker]]:
    consumer = KafkaConsumer(
        bootstrap_servers=[world.servers],
        group_id=world.policy.reading.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
    )
    seeker = Seeker(consumer)
    consumer.subscribe(topics=list(topics), listener=seeker)
    try:
        yield consumer, seeker
    finally:
        consumer.close(autocommit=False)


def test_records_set_aside_while_their_partition_was_paused_come_once_it_goes_on(
    world: KafkaWorld,
) -> None:
    world.policy = replace(world.policy, reading=replace(world.policy.reading, poll_messages=10))
    first, second = world.policy.topics.frames, world.policy.topics.audio
    (key,) = keys_of(0)
    for topic in (first, second):
        world.send(topic, key, *(b"%d" % number for number in range(30)))
    member = Member(world.policy, clock=SystemClock())
    seen: dict[str, list[int]] = {first: [], second: []}

    def gather(topics: set[str], until: Callable[[], bool]) -> None:
        wanted = {TopicPartition(topic, 0) for topic in topics}
        with deadline("the records") as check:
            while not until():
                member.pause(wanted)
                for place, records in member.poll(50).items():
                    seen[place.topic] += [record.offset for record in records]
                check()

    with contextlib.closing(member):
        gather(set(), lambda: member.take_change() is not None)
        member.seek(0, dict.fromkeys(world.policy.topics.inputs, 0))
        gather({first}, lambda: len(seen[first]) >= 10)
        gather({second}, lambda: len(seen[second]) == 30)
        gather({first, second}, lambda: len(seen[first]) == 30)

    assert seen == {first: list(range(30)), second: list(range(30))}


def test_member_that_starts_before_the_topics_reads_once_they_are_made(
    world: KafkaWorld,
) -> None:
    world.admin.delete(world.names())
    source = world.source()
    for _ in range(5):
        assert source.poll() == []
    assert source.held() == ()

    world.make_topics()
    change = await_change(source)
    for partition in change:
        source.seek(fresh(partition))
    (key,) = keys_of(0)
    world.send(world.policy.topics.frames, key, b"0")

    assert len(read(source, 1)) == 1


def test_topic_that_keeps_producers_times_stops_its_partition(world: KafkaWorld) -> None:
    frames = world.policy.topics.frames
    world.admin.delete([frames])
    with world.client() as client:  # as a plant's people might have made it
        client.create_topics(
            {frames: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True
        )
    (key,) = keys_of(0)
    world.send(frames, key, b"0")
    source = started(world)

    await_change(source)

    with pytest.raises(LayoutChanged, match="LogAppendTime"):
        seek_patiently(source, fresh(0))


def test_partitions_added_to_one_topic_stop_every_partition(world: KafkaWorld) -> None:
    (key,) = keys_of(0)
    world.send(world.policy.topics.frames, key, b"0")
    source = started(world)
    read(source, 1)
    claim = claim_of(source, 0)

    with world.client() as client:
        client.create_partitions({world.policy.topics.audio: 3})
    await_change(source)

    with pytest.raises(LayoutChanged, match="relayout"):
        seek_patiently(source, claim)
    with pytest.raises(LayoutChanged, match="one partition count"):
        seek_patiently(source, fresh(1))


def test_topics_are_made_with_the_brokers_append_times(world: KafkaWorld) -> None:
    spec: TopicSpec = world.spec(world.policy.topics.frames)
    (key,) = keys_of(0)
    world.send(spec.name, key, b"0")

    layout = world.admin.layouts([spec.name])[spec.name]

    assert layout.partitions == spec.partitions
    assert layout.ends[0] == 1
    assert world.admin.read(spec.name, 0, 0, 5)[0].append_time.year > 2000
