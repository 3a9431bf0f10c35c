"""The same small plant on each log: what a contract test of `Source` or `Publisher` needs."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from kafka import KafkaAdminClient, TopicPartition
from prometheus_client import CollectorRegistry

from mmindustry.clock import Clock, SystemClock
from mmindustry.codec.partition import partition_of
from mmindustry.domain import Claim, Message, Position, Progress, TopicProgress
from mmindustry.errors import Fenced
from mmindustry.ports import Publisher, Source
from mmindustry.stream.admin import StreamAdmin, TopicSpec, specs_of
from mmindustry.stream.kafka.admin import KafkaAdmin
from mmindustry.stream.kafka.publisher import KafkaPublisher
from mmindustry.stream.kafka.source import KafkaSource
from mmindustry.stream.local.log import LocalLog
from mmindustry.stream.local.publisher import LocalPublisher
from mmindustry.stream.local.source import LocalSource
from mmindustry.stream.policy import (
    KafkaPolicy,
    LocalPolicy,
    ReadingPolicy,
    StreamPolicy,
    TopicsPolicy,
)
from mmindustry.telemetry.metrics import Metrics
from mmindustry.testing.clock import HandClock
from mmindustry.testing.log import FakeGroup, FakeLog, FakeSource

PARTITIONS = 2
PATIENCE_SECONDS = 60.0  # a killed broker alone takes up to 27 s to be found again


def keys_of(partition: int, count: int = 1) -> list[bytes]:
    """Return keys that belong to a partition of two."""
    keys = (f"plant/hall/line/asset-{i}".encode() for i in itertools.count())
    mine = (key for key in keys if partition_of(key, PARTITIONS) == partition)
    return list(itertools.islice(mine, count))


QUICK = ReadingPolicy(wait_seconds=0.05, end_every_seconds=0.02, layout_every_seconds=1.0)


def new_policy(reading: ReadingPolicy = QUICK) -> StreamPolicy:
    """Return a policy whose topics and group no other test has."""
    run = uuid4().hex[:8]
    topics = TopicsPolicy(
        frames=f"t-{run}.frames",
        audio=f"t-{run}.audio",
        logs=f"t-{run}.logs",
        states=f"t-{run}.states",
        predictions=f"t-{run}.predictions",
        alarms=f"t-{run}.alarms",
        partitions=PARTITIONS,
    )
    return StreamPolicy(topics=topics, reading=replace(reading, group=f"g-{run}"))


class World(Protocol):
    """One log, its policy, and ways to act on it."""

    policy: StreamPolicy
    metrics: Metrics

    def source(self, is_stopping: Callable[[], bool] = ...) -> Source:
        """Return one more member of the group."""

    def send(self, topic: str, key: bytes, *values: bytes) -> None:
        """Append values under one key."""

    def expire(self) -> None:
        """Let retention take all that is there now."""

    def remake(self, topic: str) -> None:
        """Delete a topic and make it anew."""


@dataclass
class FakeWorld:
    """The in-memory log."""

    policy: StreamPolicy = field(default_factory=new_policy)
    metrics: Metrics = field(default_factory=lambda: Metrics(CollectorRegistry()))

    def __post_init__(self) -> None:
        self.clock = HandClock()
        self.log = FakeLog(self.policy.topics.inputs, PARTITIONS, self.clock)
        self.group = FakeGroup()
        self.members: list[str] = []

    def source(self, is_stopping: Callable[[], bool] = lambda: False) -> Source:
        del is_stopping
        self.members.append(f"m{len(self.members)}")
        for number, member in enumerate(self.members):
            self.group.assign(member, range(number, PARTITIONS, len(self.members)))
        return FakeSource(self.log, self.group, self.members[-1])

    def send(self, topic: str, key: bytes, *values: bytes) -> None:
        for value in values:
            self.clock.crank(0.001)
            self.log.append(topic, partition_of(key, PARTITIONS), (key, value, ()))

    def expire(self) -> None:
        for topic in self.policy.topics.inputs:
            for partition in range(PARTITIONS):
                self.log.expire(topic, partition, self.log.end(topic, partition))

    def remake(self, topic: str) -> None:
        self.log.ids[topic] += "-again"


class RealWorld:
    """What the two real logs have in common."""

    policy: StreamPolicy
    admin: StreamAdmin
    publisher: Publisher

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self._stack = stack

    def make_topics(self) -> None:
        self.admin.create([s for s in specs_of(self.policy.topics) if s.name in self.names()])

    def names(self) -> Sequence[str]:
        return self.policy.topics.inputs

    def send(self, topic: str, key: bytes, *values: bytes) -> None:
        self.publisher.send(topic, [(key, value, ()) for value in values])

    def remake(self, topic: str) -> None:
        self.admin.delete([topic])
        self.make_topics()


class LocalWorld(RealWorld):
    """The embedded log in a folder of its own."""

    def __init__(
        self, folder: Path, stack: contextlib.ExitStack, policy: StreamPolicy, clock: Clock
    ) -> None:
        super().__init__(stack)
        local = LocalPolicy(folder=str(folder), member_seconds=0.05, look_seconds=0.005)
        self.policy = replace(policy, kind="local", local=local)
        self.clock = clock
        self.log = stack.enter_context(LocalLog(self.policy.local))
        self.admin = self.log
        self.publisher = stack.enter_context(LocalPublisher(self.policy.local, clock=clock))
        self.make_topics()

    def source(self, is_stopping: Callable[[], bool] = lambda: False) -> Source:
        return self._stack.enter_context(
            LocalSource(
                self.policy, clock=self.clock, metrics=self.metrics, is_stopping=is_stopping
            )
        )

    def expire(self) -> None:
        self.log.forget_group(self.policy.reading.group)
        later = datetime.now(UTC) + timedelta(days=365)  # noqa: TID251 - far beyond any retention
        self.log.retain(HandClock(later))


class KafkaWorld(RealWorld):
    """Topics of their own on the session's broker."""

    def __init__(self, servers: str, stack: contextlib.ExitStack, policy: StreamPolicy) -> None:
        super().__init__(stack)
        kafka = KafkaPolicy(
            bootstrap_servers=(servers,),
            metadata_seconds=1.0,
            request_seconds=5.0,
            session_seconds=2.0,
            heartbeat_seconds=0.5,
        )
        self.policy = replace(policy, kind="kafka", kafka=kafka)
        self.servers = servers
        self.admin = stack.enter_context(KafkaAdmin(kafka))
        self.publisher = stack.enter_context(KafkaPublisher(kafka))
        self.make_topics()

    def source(self, is_stopping: Callable[[], bool] = lambda: False) -> Source:
        return self._stack.enter_context(
            KafkaSource(
                self.policy, clock=SystemClock(), metrics=self.metrics, is_stopping=is_stopping
            )
        )

    def expire(self) -> None:
        layouts = self.admin.layouts(self.policy.topics.inputs)
        ends = {
            TopicPartition(name, partition): end
            for name, layout in layouts.items()
            for partition, end in layout.ends.items()
            if end > 0
        }
        with self.client() as client:
            client.delete_records(ends)

    def spec(self, name: str) -> TopicSpec:
        return next(spec for spec in specs_of(self.policy.topics) if spec.name == name)

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        """Lend a bare admin client, for what a plant's own people may do."""
        client = KafkaAdminClient(bootstrap_servers=[self.servers])
        try:
            yield client
        finally:
            client.close()


@contextlib.contextmanager
def deadline(what: str, seconds: float = PATIENCE_SECONDS) -> Iterator[Callable[[], None]]:
    """Give a check that fails once `seconds` have passed."""
    clock = SystemClock()
    end = clock.monotonic() + seconds

    def check() -> None:
        if clock.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")

    yield check


def await_change(source: Source) -> tuple[int, ...]:
    """Poll until a change is noted."""
    with deadline("an assignment") as check:
        while (change := source.take_change()) is None:
            check()
            source.poll()
    return tuple(change)


def seek_patiently(source: Source, claim: Claim) -> None:
    """Seek as a line does: a rebalance on the way begins it again."""
    with deadline("a seek without a rebalance") as check:
        while True:
            try:
                source.seek(claim)
            except Fenced:
                await_change(source)
            else:
                return
            check()


def settle(first: Source, second: Source) -> None:
    """Let two members poll and act on changes, as their lines do, until each holds one."""
    with deadline("one partition each") as check:
        while len(first.held()) != 1 or len(second.held()) != 1:
            for member in (first, second):
                for partition in member.take_change() or ():
                    member.seek(fresh(partition))
                member.poll()
            check()


def claim_of(source: Source, partition: int, needed: dict[str, int] | None = None) -> Claim:
    """Return a claim at where the source stands, needing offsets from `needed` on."""
    arrival = source.arrival()[partition]
    topics = {
        name: TopicProgress(
            topic_id=arrival.topic_ids[name],
            first=arrival.first[name],
            read_through=through,
            needed_from=(needed or {}).get(name, through),
            skipped=arrival.skipped[name],
        )
        for name, through in arrival.read_through.items()
    }
    progress = Progress(partition=partition, arrival=arrival.time, topics=topics)
    return Claim(partition=partition, epoch=2, progress=progress)


def fresh(partition: int) -> Claim:
    """Return the first claim ever of a partition."""
    return Claim(partition=partition, epoch=1, progress=None)


def read(source: Source, count: int) -> list[Message]:
    """Poll until `count` messages have come; more would show in the length."""
    found: list[Message] = []
    with deadline(f"{count} messages") as check:
        while len(found) < count:
            found += source.poll()
            check()
    return found


def read_again(source: Source, claim: Claim, count: int) -> list[Message]:
    """Read from a claim as a line does: whatever is assigned anew is begun again."""
    seek_patiently(source, claim)
    found: list[Message] = []
    with deadline(f"{count} messages of a claim", 2 * PATIENCE_SECONDS) as check:
        while len(found) < count:
            if claim.partition in (source.take_change() or ()):
                seek_patiently(source, claim)
                found.clear()
            found += source.poll()
            check()
    return found


def await_ready(source: Source, partition: int) -> None:
    """Poll until the partition is ready; nothing may come any more."""
    with deadline(f"partition {partition} ready") as check:
        while not source.arrival()[partition].ready:
            assert source.poll() == []
            check()


def places(messages: Sequence[Message]) -> list[Position]:
    """Return the positions."""
    return [message.position for message in messages]


def started(world: World) -> Source:
    """Return a member that holds both partitions and reads them from their beginning."""
    source = world.source()
    for partition in await_change(source):
        source.seek(fresh(partition))
    assert tuple(source.held()) == (0, 1)
    return source
