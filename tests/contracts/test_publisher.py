"""What every Publisher promises: the embedded log and real Kafka."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmindustry.clock import SystemClock
from mmindustry.codec.partition import partition_of
from mmindustry.errors import LayoutChanged, PublishRefused
from mmindustry.stream.admin import specs_of, tail
from tests.contracts.stream_worlds import PARTITIONS, KafkaWorld, LocalWorld, RealWorld, new_policy

pytest_plugins = ["tests.kafka_server"]


@pytest.fixture(params=["local", pytest.param("kafka", marks=pytest.mark.kafka)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealWorld]:
    with contextlib.ExitStack() as stack:
        if request.param == "local":
            yield LocalWorld(tmp_path / "log", stack, new_policy(), SystemClock())
        else:
            broker = request.getfixturevalue("kafka_broker")
            yield KafkaWorld(broker.bootstrap_servers, stack, new_policy())


def test_each_message_goes_to_the_partition_of_its_key_and_stays_as_it_was(
    world: RealWorld,
) -> None:
    topic = world.policy.topics.frames
    keys = [f"plant/hall/line/asset-{i}".encode() for i in range(9)]
    headers = (("ce_id", b"7"), ("ce_source", "kamera-ö".encode()), ("ce_id", b""))

    partitions = world.publisher.send(topic, [(key, b"\x00v" + key, headers) for key in keys])

    assert list(partitions) == [partition_of(key, PARTITIONS) for key in keys]
    found = tail(world.admin, topic, 100)
    assert {(m.key, m.value, m.headers) for m in found} == {
        (key, b"\x00v" + key, headers) for key in keys
    }
    assert all(m.position.partition == partition_of(m.key or b"", PARTITIONS) for m in found)


def test_messages_of_one_key_keep_their_order_with_times_that_never_fall(world: RealWorld) -> None:
    topic = world.policy.topics.audio
    for round_ in range(5):
        world.publisher.send(topic, [(b"k", f"{round_}-{i}".encode(), ()) for i in range(4)])

    found = world.admin.read(topic, partition_of(b"k", PARTITIONS), 0, 100)

    assert [m.value for m in found] == [f"{r}-{i}".encode() for r in range(5) for i in range(4)]
    assert [m.position.offset for m in found] == list(range(20))
    times = [m.append_time for m in found]
    assert times == sorted(times)


def test_message_without_key_or_value_is_taken(world: RealWorld) -> None:
    topic = world.policy.topics.logs

    partitions = world.publisher.send(topic, [(None, b"text", ()), (b"key", None, ())])

    assert partitions[0] == 0
    found = {(m.key, m.value) for m in tail(world.admin, topic, 10)}
    assert found == {(None, b"text"), (b"key", None)}


def test_message_above_the_topics_limit_is_refused_with_the_remedy(world: RealWorld) -> None:
    topic = world.policy.topics.frames
    large = bytes(world.policy.topics.max_message_bytes + 1024)

    with pytest.raises(PublishRefused, match="ce_dataref"):
        world.publisher.send(topic, [(b"k", large, ())])

    assert tail(world.admin, topic, 10) == []


def test_unknown_topic_is_refused_with_the_remedy(world: RealWorld) -> None:
    with pytest.raises(PublishRefused, match="topics create"):
        world.publisher.send("t-none", [(b"k", b"v", ())])


def test_sending_nothing_does_nothing(world: RealWorld) -> None:
    assert list(world.publisher.send("t-none", [])) == []


def test_create_makes_what_is_missing_once_and_refuses_another_count(world: RealWorld) -> None:
    specs = [s for s in specs_of(world.policy.topics) if s.name.startswith(world.names()[0])]

    made = world.admin.create(specs)

    assert list(made) == [f"{world.names()[0]}.dlq"]
    assert list(world.admin.create(specs)) == []
    other = type(specs[0])(
        name=specs[0].name,
        partitions=5,
        replication=1,
        max_message_bytes=specs[0].max_message_bytes,
        retention_seconds=3600.0,
        retention_bytes=1024 * 1024,
    )
    with pytest.raises(LayoutChanged, match="relayout"):
        world.admin.create([other])


def test_lag_counts_what_the_group_has_not_committed(world: RealWorld) -> None:
    topic = world.policy.topics.states
    world.send(topic, b"k", b"1", b"2", b"3")

    lag = world.admin.lag(world.policy.reading.group, [topic])

    assert sum(lag.values()) == 3
