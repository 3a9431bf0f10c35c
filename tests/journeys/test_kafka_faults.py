"""A broker that is away, killed and back: nothing lost, nothing doubled, and the reason told."""

import gc
import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.kafka import KafkaUnavailableError, LocalKafka, free_port
from mmindustry.clock import SystemClock
from mmindustry.errors import DependencyDown
from mmindustry.stream.entry import open_publisher, open_source
from mmindustry.stream.kafka.source import KafkaSource
from mmindustry.stream.policy import KafkaPolicy, StreamPolicy
from mmindustry.telemetry.metrics import Metrics
from tests.contracts.stream_worlds import (
    KafkaWorld,
    await_change,
    claim_of,
    deadline,
    fresh,
    keys_of,
    new_policy,
    read,
    read_again,
    started,
)
from tests.promises import missing

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    # kafka-python leaves the sockets of failed connects to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _own_garbage() -> Iterator[None]:
    """Collect what a test left before another test is blamed for it.

    Log records of kafka-python hold its connections; pytest holds the records.
    """
    log = logging.getLogger("kafka")
    log.setLevel(logging.CRITICAL + 1)
    yield
    log.setLevel(logging.NOTSET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def broker() -> Iterator[LocalKafka]:
    broker = LocalKafka()
    try:
        broker.start()
    except KafkaUnavailableError as error:
        missing("kafka", str(error))
    try:
        yield broker
    finally:
        broker.stop()


def test_broker_killed_in_mid_run_loses_nothing_and_doubles_nothing(broker: LocalKafka) -> None:
    with ExitStack() as stack:
        world = KafkaWorld(broker.bootstrap_servers, stack, new_policy())
        frames = world.policy.topics.frames
        (key,) = keys_of(0)
        world.send(frames, key, *[f"{n}".encode() for n in range(20)])
        source = started(world)
        assert isinstance(source, KafkaSource)
        read(source, 20)

        broker.kill()
        await_trouble(source)
        claim = claim_of(source, 0, {frames: 15})
        broker.restart()
        await_sent(world, frames, key)
        found = read_again(source, claim, 6)

        assert [m.position.offset for m in found[:6]] == [15, 16, 17, 18, 19, 20]
        assert [m.seen for m in found[:6]] == [True] * 5 + [False]
        assert source.trouble() is None


def await_trouble(source: KafkaSource) -> None:
    """Poll until the source says that the brokers are away."""
    with deadline("the trouble to be told") as check:
        while source.trouble() is None:
            assert source.poll() == []
            check()


def await_sent(world: KafkaWorld, topic: str, key: bytes) -> None:
    """Send one message as soon as the broker takes it."""
    with deadline("the broker to take messages") as check:
        while not sent(world, topic, key):
            check()


def sent(world: KafkaWorld, topic: str, key: bytes) -> bool:
    try:
        world.send(topic, key, b"after")
    except DependencyDown:
        return False
    return True


def test_source_that_starts_while_the_broker_is_away_says_so_and_joins_later() -> None:
    port = free_port()
    kafka = KafkaPolicy(
        bootstrap_servers=(f"127.0.0.1:{port}",), request_seconds=1.0, delivery_seconds=1.0
    )
    base = new_policy()
    policy = StreamPolicy(kind="kafka", topics=base.topics, reading=base.reading, kafka=kafka)
    with ExitStack() as stack:
        metrics = Metrics(CollectorRegistry())
        source = open_source(policy, clock=SystemClock(), metrics=metrics)
        stack.callback(source.close)
        publisher = open_publisher(policy, clock=SystemClock())
        stack.callback(publisher.close)

        assert source.poll() == []
        assert source.held() == ()
        assert str(port) in (source.trouble() or "")
        source.keep()
        with pytest.raises(DependencyDown, match=str(port)):
            publisher.send(policy.topics.frames, [(b"k", b"v", ())])

        broker = LocalKafka(port=port)
        try:
            broker.start()
        except KafkaUnavailableError as error:
            missing("kafka", str(error))
        stack.callback(broker.stop)
        world = KafkaWorld(broker.bootstrap_servers, stack, policy)
        for partition in await_change(source):
            source.seek(fresh(partition))
        (key,) = keys_of(1)
        world.send(policy.topics.frames, key, b"0")

        assert len(read(source, 1)) == 1
