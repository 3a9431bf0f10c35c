"""One consumer of the group: assignment noted, fetches paused until sought."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata

from mmindustry.clock import Clock
from mmindustry.errors import DependencyDown
from mmindustry.stream.kafka.connect import connected, explained
from mmindustry.stream.layout import TopicLayout
from mmindustry.stream.policy import StreamPolicy

_FETCH_BYTES = 4 * 1024 * 1024
"""Bytes of one partition in one answer; a larger message comes alone and whole."""
_PATIENCE_SECONDS = 120.0
"""Longest wait for a rebalance to end before joining anew."""
_ASK_MS = 2000
"""Longest wait for where logs begin and end; a leader that is away holds its partition back."""


class Notes(ConsumerRebalanceListener):  # type: ignore[misc]  # no types
    """What the group said last. Written by the network thread, read by the line's.

    A partition counts as held once it is assigned in all topics: a leader that does not know of a
    new topic yet shares out the others, until it learns and does it again.
    """

    def __init__(
        self, topics: Sequence[str], on_assigned: Callable[[Iterable[TopicPartition]], None]
    ) -> None:
        self._topics = set(topics)
        self._lock = threading.Lock()
        self._on_assigned = on_assigned
        self._held: tuple[int, ...] = ()
        self._changed = False
        self._between = False

    def on_partitions_revoked(self, _revoked: Iterable[TopicPartition]) -> None:
        """Note that nothing is held any more."""
        self._note((), between=True)

    def on_partitions_lost(self, _lost: Iterable[TopicPartition]) -> None:
        """Note that nothing is held any more."""
        self._note((), between=True)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause what came, then note it."""
        places = set(assigned)
        self._on_assigned(places)
        everywhere = {place.partition for place in places}
        for topic in self._topics:
            everywhere &= {place.partition for place in places if place.topic == topic}
        self._note(everywhere, between=False)

    def is_between(self) -> bool:
        """Return whether a rebalance has begun and nothing was assigned since."""
        with self._lock:
            return self._between

    def take(self) -> tuple[int, ...] | None:
        """Return the newest assignment, once."""
        with self._lock:
            changed, self._changed = self._changed, False
            return self._held if changed else None

    def has_change(self) -> bool:
        """Return whether an assignment waits to be taken."""
        with self._lock:
            return self._changed

    def again(self) -> None:
        """Note the present assignment once more, so that it is claimed anew."""
        with self._lock:
            self._changed = True

    def held(self) -> tuple[int, ...]:
        """Return the newest assignment."""
        with self._lock:
            return self._held

    def _note(self, partitions: Iterable[int], *, between: bool) -> None:
        with self._lock:
            self._between = between
            held = tuple(sorted(set(partitions)))
            self._changed = self._changed or held != self._held or bool(held)
            self._held = held


class Member:
    """A consumer that has joined, and an admin client for what a consumer can't ask."""

    def __init__(self, policy: StreamPolicy, *, clock: Clock) -> None:
        """Connect and join.

        Raises:
            DependencyDown: No broker answers, or the login is refused.
        """
        self._policy = policy
        self._clock = clock
        self._between_since: float | None = None
        self._patience = policy.kafka.session_seconds
        self._topics = policy.topics.inputs
        kafka = policy.kafka
        self._admin = connected(KafkaAdminClient, kafka)
        self._consumer = connected(
            KafkaConsumer,
            kafka,
            group_id=policy.reading.group,
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            session_timeout_ms=int(kafka.session_seconds * 1000),
            heartbeat_interval_ms=int(kafka.heartbeat_seconds * 1000),
            max_poll_interval_ms=int(kafka.max_step_seconds * 1000),
            max_poll_records=policy.reading.poll_messages,
            fetch_max_bytes=policy.reading.poll_bytes,
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=int(policy.reading.wait_seconds * 1000),
            metrics_enabled=False,
        )
        self._notes = Notes(self._topics, self._pause_assigned)
        self._consumer.subscribe(topics=list(self._topics), listener=self._notes)
        self._await_metadata()

    def _await_metadata(self) -> None:
        """Know the topics before the first join: a leader that does not shares out nothing."""
        with explained("asking for the partitions of the inputs"):
            for topic in self._topics:
                self._consumer.partitions_for_topic(topic)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close(
            autocommit=False, timeout_ms=int(self._policy.kafka.request_seconds * 1000)
        )
        self._admin.close()

    def take_change(self) -> tuple[int, ...] | None:
        """Return the newest assignment, once; all of it is paused."""
        return self._notes.take()

    def has_change(self) -> bool:
        """Return whether an assignment waits to be taken."""
        return self._notes.has_change()

    def note_again(self) -> None:
        """Note the present assignment once more, so that it is claimed anew."""
        self._notes.again()

    def held(self) -> tuple[int, ...]:
        """Return the newest assignment."""
        return self._notes.held()

    def poll(self, wait_ms: int) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        """Return what came of the partitions that are not paused."""
        self._rescue()
        self._clear_line()
        found: Mapping[TopicPartition, Sequence[ConsumerRecord]] = self._consumer.poll(
            timeout_ms=wait_ms
        )
        return found

    def _rescue(self) -> None:
        """Leave and join anew where a rebalance does not end.

        kafka-python 3.0.12 forgets the answer to a join that new metadata began and that outlasts
        a poll: nothing is assigned, no heartbeat is sent, for ever. Where another member is what
        we wait for, this costs nothing; the time to wait doubles.
        """
        now = self._clock.monotonic()
        if not self._notes.is_between():
            self._between_since = None
            self._patience = self._policy.kafka.session_seconds
        elif self._between_since is None:
            self._between_since = now
        elif now - self._between_since >= self._patience:
            self._between_since = now
            self._patience = min(self._patience * 2, _PATIENCE_SECONDS)
            self._consumer.unsubscribe()
            self._consumer.subscribe(topics=list(self._topics), listener=self._notes)

    def _clear_line(self) -> None:
        """Let what was set aside while its partition was paused come in again.

        kafka-python 3.0.12 takes the records of a resumed partition back only where the place in
        line is None, but leaves there the emptied rest of the last partition: they would stay
        aside, and their partition silent, for ever.
        """
        fetcher = self._consumer._fetcher  # noqa: SLF001 - no public way
        if fetcher._next_partition_records is not None and not fetcher._next_partition_records:  # noqa: SLF001 - as above
            fetcher._next_partition_records = None  # noqa: SLF001 - as above

    def pause(self, all_but: set[TopicPartition]) -> None:
        """Pause every assigned partition but those given."""
        assigned = self._consumer.assignment()
        paused = self._consumer.paused()
        self._consumer.pause(*(assigned - all_but - paused))
        self._consumer.resume(*(assigned & all_but & paused))

    def pause_all(self) -> None:
        """Pause every assigned partition."""
        self.pause(set())

    def seek(self, partition: int, starts: Mapping[str, int]) -> None:
        """Fetch on from `starts`; the partition stays paused until `pause` lets it go."""
        for topic, offset in starts.items():
            self._consumer.seek(TopicPartition(topic, partition), offset)

    def position(self, place: TopicPartition) -> int | None:
        """Return the offset the consumer fetches next."""
        position: int | None = self._consumer.position(place, timeout_ms=_ASK_MS)
        return position

    def ends(self, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return where the logs end, asked now.

        Raises:
            DependencyDown: A leader did not tell in time.
        """
        return _told(self._consumer.end_offsets, places)

    def begins(self, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return where the logs begin, asked now.

        Raises:
            DependencyDown: A leader did not tell in time.
        """
        return _told(self._consumer.beginning_offsets, places)

    def commit(
        self, offsets: Mapping[TopicPartition, int], on_failure: Callable[[Exception], None]
    ) -> None:
        """Commit without waiting; a failure is told to `on_failure` at a later poll."""

        def told(_offsets: object, answer: object) -> None:
            if isinstance(answer, Exception):
                on_failure(answer)

        self._consumer.commit_async(
            {place: OffsetAndMetadata(offset, "", -1) for place, offset in offsets.items()},
            callback=told,
        )

    def layouts(self, partition: int | None) -> Mapping[str, TopicLayout]:
        """Return the inputs as they are now; begins and ends of `partition` (None = of none)."""
        described = self._described()
        places = [
            TopicPartition(name, partition)
            for name, topic in described.items()
            if partition is not None and partition < len(topic["partitions"])
        ]
        begins = self.begins(places) if places else {}
        ends = self.ends(places) if places else {}
        return {
            name: TopicLayout(
                name=name,
                id=str(topic["topic_id"]),
                partitions=len(topic["partitions"]),
                begins={p.partition: offset for p, offset in begins.items() if p.topic == name},
                ends={p.partition: offset for p, offset in ends.items() if p.topic == name},
            )
            for name, topic in described.items()
        }

    def _described(self) -> dict[str, Any]:
        try:
            found = self._admin.describe_topics(list(self._topics))
        except UnknownTopicOrPartitionError:
            return {}
        return {topic["name"]: topic for topic in found if topic["error_code"] == 0}

    def _pause_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        places = list(assigned)
        if places:
            self._consumer.pause(*places)


def _told(
    ask: Callable[..., dict[TopicPartition, int]], places: Sequence[TopicPartition]
) -> Mapping[TopicPartition, int]:
    with explained("asking where the logs begin and end"):
        try:
            return ask(places, timeout_ms=_ASK_MS)
        except KeyError as error:  # what kafka-python 3.0 says of a topic it knows nothing of
            raise DependencyDown(f"Kafka: no broker tells of {error}") from error
