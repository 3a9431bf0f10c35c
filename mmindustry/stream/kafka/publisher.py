"""Writing into Kafka: acknowledged by all in-sync replicas, each key in one partition."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
)

from mmindustry.codec.partition import partition_of
from mmindustry.errors import DependencyDown, PublishRefused
from mmindustry.stream.kafka.connect import connected, described, explained
from mmindustry.stream.policy import KafkaPolicy

Outgoing = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]
_REQUEST_BYTES = 64 * 1024 * 1024
"""Largest request the client lets out; the topic's own limit is the one that counts."""
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class KafkaPublisher:
    """The `Publisher` port on Kafka: an idempotent producer; threads may share one.

    Connects on the first send, so that a gateway starts while Kafka is away.
    """

    def __init__(self, policy: KafkaPolicy) -> None:
        self._policy = policy
        self._producer: KafkaProducer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; all that was sent is acknowledged already."""
        if self._producer is not None:
            self._producer.close(timeout=self._policy.request_seconds)
            self._producer = None

    def send(self, topic: str, messages: Sequence[Outgoing]) -> Sequence[int]:
        """Send all of `messages` to the partitions of their keys; return the partitions.

        Where one is refused the others may be in the log already; sending all again is safe for
        whoever reads, the same (source, id, time) twice is one event.

        Raises:
            DependencyDown: The brokers did not acknowledge in time.
            PublishRefused: There is no such topic, or a message is larger than it takes.
        """
        if not messages:
            return ()
        producer = self._connected()
        count = self._count(producer, topic)
        partitions = [0 if key is None else partition_of(key, count) for key, _, _ in messages]
        futures = []
        for number, ((key, value, headers), partition) in enumerate(
            zip(messages, partitions, strict=True)
        ):
            with _judged(topic, number):
                futures.append(
                    producer.send(
                        topic, value=value, key=key, headers=list(headers), partition=partition
                    )
                )
        for number, future in enumerate(futures):
            with _judged(topic, number):
                future.get(timeout=self._policy.delivery_seconds)
        return partitions

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = connected(
                KafkaProducer,
                self._policy,
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                max_request_size=_REQUEST_BYTES,
                max_block_ms=int(self._policy.request_seconds * 1000),
                delivery_timeout_ms=int(self._policy.delivery_seconds * 1000),
            )
        return self._producer

    def _count(self, producer: KafkaProducer, topic: str) -> int:
        try:
            with explained(f"asking for the partitions of {topic}"):
                partitions = producer.partitions_for(topic)
        except DependencyDown as error:
            if self._is_absent(topic):
                raise _no_topic(topic) from error
            raise
        if not partitions:
            raise _no_topic(topic)
        return len(partitions)

    def _is_absent(self, topic: str) -> bool:
        """Whether the cluster answers that there is no such topic (a producer only waits)."""
        admin = connected(KafkaAdminClient, self._policy)
        try:
            with explained(f"looking for {topic}"):
                found = admin.describe_topics([topic])
        finally:
            admin.close()
        return all(entry["error_code"] == UnknownTopicOrPartitionError.errno for entry in found)


def _no_topic(topic: str) -> PublishRefused:
    return PublishRefused(f"no topic {topic}: `mmindustry topics create` makes what is missing")


@contextmanager
def _judged(topic: str, number: int) -> Iterator[None]:
    """Turn what a send may raise into our errors, naming the message."""
    where = f"message {number} for {topic}"
    try:
        yield
    except _TOO_LARGE as error:
        raise PublishRefused(
            f"{where} is too large: make it smaller, send a reference to it (ce_dataref), or "
            "raise the topic's max.message.bytes"
        ) from error
    except KafkaError as error:
        raise DependencyDown(f"Kafka: {where}: {described(error)}") from error
