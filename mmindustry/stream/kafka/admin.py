"""Topics of a Kafka cluster: made with the broker's append times, described, read."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from kafka.protocol.consumer import OffsetSpec
from kafka.structs import OffsetAndTimestamp

from mmindustry.domain import Message
from mmindustry.errors import InputError, LayoutChanged
from mmindustry.stream.admin import TopicSpec
from mmindustry.stream.kafka.connect import connected, explained
from mmindustry.stream.kafka.record import message_of
from mmindustry.stream.layout import REMEDY, TopicLayout
from mmindustry.stream.policy import KafkaPolicy

_READ_WAIT_MS = 500
_READ_EMPTY = 6
"""Empty polls after which a read takes the log for ended (transaction marks at its end)."""


_COORDINATOR_NOT_YET = (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
)
_COORDINATOR_TRIES = 50
_COORDINATOR_PAUSE_SECONDS = 0.1
"""A cluster makes its offsets topic when it is first asked for a group: 5 s are plenty."""


class KafkaAdmin:
    """The `StreamAdmin` of a Kafka cluster."""

    def __init__(self, policy: KafkaPolicy) -> None:
        """Connect.

        Raises:
            DependencyDown: No broker answers, or the login is refused.
            MissingExtra: `crc32c` is not installed.
        """
        self._policy = policy
        self._client = connected(KafkaAdminClient, policy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def create(self, specs: Sequence[TopicSpec]) -> Sequence[str]:
        """Make the topics that are missing; return their names.

        Raises:
            DependencyDown: The cluster did not do it.
            LayoutChanged: A topic is there with another partition count.
        """
        there = self._described([spec.name for spec in specs])
        made: list[str] = []
        for spec in specs:
            if spec.name not in there:
                self._make(spec)
                made.append(spec.name)
            elif len(there[spec.name]["partitions"]) != spec.partitions:
                raise LayoutChanged(
                    f"topic {spec.name} has {len(there[spec.name]['partitions'])} partitions, "
                    f"{spec.partitions} are wanted; {REMEDY}"
                )
        if made:
            with explained("waiting for new topics"):
                self._client.wait_for_topics(made)
        return made

    def delete(self, topics: Sequence[str]) -> None:
        """Remove topics with all they hold; one that is not there is no mistake."""
        there = list(self._described(topics))
        if there:
            with explained(f"deleting {', '.join(there)}"):
                self._client.delete_topics(there)

    def layouts(self, topics: Sequence[str] | None = None) -> Mapping[str, TopicLayout]:
        """Return what is there of `topics` (None = every topic that is not Kafka's own)."""
        described = self._described(topics)
        places = [
            TopicPartition(name, part["partition_index"])
            for name, topic in described.items()
            for part in topic["partitions"]
        ]
        begins = self._offsets(places, OffsetSpec.EARLIEST)
        ends = self._offsets(places, OffsetSpec.LATEST)
        return {
            name: TopicLayout(
                name=name,
                id=str(topic["topic_id"]),
                partitions=len(topic["partitions"]),
                begins={tp.partition: o for tp, o in begins.items() if tp.topic == name},
                ends={tp.partition: o for tp, o in ends.items() if tp.topic == name},
            )
            for name, topic in described.items()
        }

    def lag(self, group: str, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        """Return for each (topic, partition) how many messages `group` has not committed."""
        layouts = self.layouts(topics)
        offsets = self._committed(group)
        lags: dict[tuple[str, int], int] = {}
        for name, layout in layouts.items():
            for partition, end in layout.ends.items():
                known = offsets.get(TopicPartition(name, partition))
                start = (
                    layout.begins[partition] if known is None or known.offset < 0 else known.offset
                )
                lags[name, partition] = end - max(start, layout.begins[partition])
        return lags

    def read(self, topic: str, partition: int, start: int, limit: int) -> Sequence[Message]:
        """Return up to `limit` messages from offset `start` on."""
        layouts = self.layouts([topic])
        if topic not in layouts:
            raise InputError(f"no topic {topic}")
        place = TopicPartition(topic, partition)
        first = max(start, layouts[topic].begins[partition])
        end = layouts[topic].ends[partition]
        if first >= end or limit <= 0:
            return ()
        with self._reader(place, first) as reader, explained(f"reading {topic}"):
            return _read(reader, place, end, limit)

    def _committed(self, group: str) -> Mapping[TopicPartition, Any]:
        """Return what a group has committed; a new cluster is given time to make its books."""
        pause = threading.Event()
        with explained(f"reading the offsets of group {group}"):
            for _ in range(_COORDINATOR_TRIES):
                with suppress(*_COORDINATOR_NOT_YET):
                    return self._ask_committed(group)
                pause.wait(_COORDINATOR_PAUSE_SECONDS)
            return self._ask_committed(group)

    def _ask_committed(self, group: str) -> Mapping[TopicPartition, Any]:
        found: dict[str, dict[TopicPartition, Any]] = self._client.list_group_offsets([group])
        return found.get(group, {})

    def _make(self, spec: TopicSpec) -> None:
        configs = {
            "message.timestamp.type": "LogAppendTime",
            "cleanup.policy": "delete",
            "max.message.bytes": str(spec.max_message_bytes),
            "retention.ms": str(int(spec.retention_seconds * 1000)),
            "retention.bytes": str(spec.retention_bytes),
        }
        wanted = {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication,
            "configs": configs,
        }
        with explained(f"creating topic {spec.name}"):
            try:
                self._client.create_topics({spec.name: wanted})
            except TopicAlreadyExistsError:
                return

    def _described(self, topics: Sequence[str] | None) -> dict[str, Any]:
        with explained("describing topics"):
            try:
                found = self._client.describe_topics(None if topics is None else list(topics))
            except UnknownTopicOrPartitionError:
                return {}
        return {
            topic["name"]: topic
            for topic in found
            if topic["error_code"] == 0 and not topic.get("is_internal")
        }

    def _offsets(
        self, places: Sequence[TopicPartition], spec: OffsetSpec
    ) -> dict[TopicPartition, int]:
        if not places:
            return {}
        with explained("asking for offsets"):
            found: Mapping[TopicPartition, OffsetAndTimestamp] = (
                self._client.list_partition_offsets(dict.fromkeys(places, spec))
            )
        return {place: answer.offset for place, answer in found.items()}

    @contextmanager
    def _reader(self, place: TopicPartition, first: int) -> Iterator[KafkaConsumer]:
        consumer = connected(
            KafkaConsumer, self._policy, group_id=None, enable_auto_commit=False,
            auto_offset_reset="earliest", allow_auto_create_topics=False,
        )  # fmt: skip
        try:
            consumer.assign([place])
            consumer.seek(place, first)
            yield consumer
        finally:
            consumer.close(autocommit=False)


def _read(reader: KafkaConsumer, place: TopicPartition, end: int, limit: int) -> list[Message]:
    messages: list[Message] = []
    empty = 0
    while len(messages) < limit and empty < _READ_EMPTY:
        found = reader.poll(timeout_ms=_READ_WAIT_MS, max_records=limit - len(messages))
        records = found.get(place, [])
        messages.extend(message_of(record) for record in records)
        empty = 0 if records else empty + 1
        if messages and messages[-1].position.offset >= end - 1:
            break
    return messages
