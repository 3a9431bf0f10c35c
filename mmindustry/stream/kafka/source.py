"""Reading Kafka as a member of a consumer group."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import structlog
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from mmindustry.clock import Clock
from mmindustry.domain import Arrival, Claim, Gap, Message, Progress
from mmindustry.errors import DependencyDown, Fenced, LayoutChanged
from mmindustry.stream.kafka.connect import described, require_crc32c
from mmindustry.stream.kafka.member import Member
from mmindustry.stream.kafka.record import check_append_time, message_of
from mmindustry.stream.layout import check_identity
from mmindustry.stream.policy import StreamPolicy
from mmindustry.stream.reading import Reading
from mmindustry.stream.retry import pauses
from mmindustry.stream.topic import Loss
from mmindustry.telemetry.metrics import Metrics

_KEEP_MS = 50


class KafkaSource:
    """The `Source` port on Kafka. One thread uses it.

    All inputs are read by one group whose range assignor gives partition i of every topic to the
    same member. Callbacks only note an assignment; what was assigned stays paused until it is
    sought. Brokers that are away make polls empty and `trouble` say why, nothing else.
    """

    def __init__(
        self,
        policy: StreamPolicy,
        *,
        clock: Clock,
        metrics: Metrics,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Check what can be checked without a broker; the first poll connects.

        Raises:
            MissingExtra: `crc32c` is not installed.
        """
        require_crc32c()
        self._policy = policy
        self._clock = clock
        self._metrics = metrics
        self._is_stopping = is_stopping
        self._topics = policy.topics.inputs
        self._reading = Reading(self._topics, policy.reading)
        self._out = structlog.get_logger().bind(stream="kafka", group=policy.reading.group)
        self._member: Member | None = None
        self._trouble: str | None = "not connected yet"
        self._absent: str | None = None
        self._refused: dict[int, str] = {}
        self._pauses = pauses(policy.retry, random.Random())  # noqa: S311 - jitter, no secret
        self._next_try = -1e9
        self._layout_at = -1e9
        self._wait = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the group and close the connections."""
        if self._member is not None:
            self._member.close()
            self._member = None

    def trouble(self) -> str | None:
        """Return why nothing can be read now, in words for `/readyz`; None = all is well."""
        return self._trouble

    def take_change(self) -> Sequence[int] | None:
        """Return the partitions of a noted assignment, once."""
        change = None if self._member is None else self._member.take_change()
        if change is not None:
            self._reading.forget(())
        return change

    def held(self) -> Sequence[int]:
        """Return the partitions this member holds now."""
        return () if self._member is None else self._member.held()

    def poll(self) -> Sequence[Message]:
        """Return the next messages; wait at most `wait_seconds` where there are none.

        Where a topic was deleted, made anew or grew partitions while it was read, a change is
        noted: the claim that follows says `LayoutChanged`.
        """
        member = self._connected()
        if member is None:
            self._wait.wait(self._policy.reading.wait_seconds)
            return []
        ready = self._reading.take()
        wait = 0.0 if ready else self._policy.reading.wait_seconds
        try:
            self._fetch(member, wait)
            if not member.has_change():
                self._ask_ends(member)
                self._check_layout(member)
        except LayoutChanged as error:
            self._note_trouble(error)
            member.note_again()
        except (KafkaError, DependencyDown) as error:
            self._note_trouble(error)
        else:
            self._trouble = self._absent
        return ready or self._reading.take()

    def keep(self) -> None:
        """Keep the membership: everything paused, one poll of the group, nothing read.

        Raises:
            Fenced: The assignment changes, or the process is asked to stop.
        """
        if self._is_stopping():
            raise Fenced("asked to stop")
        if self._member is None:
            return
        self._member.pause_all()
        try:
            self._offer(self._member.poll(_KEEP_MS))
        except KafkaError as error:
            self._note_trouble(error)
        if self._member.has_change():
            raise Fenced("the group shares its partitions out anew")

    def arrival(self) -> Mapping[int, Arrival]:
        """Return where the reading of each sought partition stands."""
        return self._reading.arrival()

    def losses(self) -> Sequence[Gap]:
        """Return, once, the stretches of offsets that were lost before they could be read."""
        return self._reading.losses()

    def seek(self, claim: Claim) -> None:
        """Read the claim's partition on from its `needed_from`; tries until the brokers answer.

        Raises:
            LayoutChanged: The log is not the one the claim's offsets are from.
            Fenced: The assignment changed meanwhile, or the process is asked to stop.
        """
        if claim.partition in self._refused:
            raise LayoutChanged(self._refused[claim.partition])
        for pause in pauses(self._policy.retry, random.Random()):  # noqa: S311 - jitter
            member = self._connected()
            if member is None or claim.partition not in member.held():
                raise Fenced(f"partition {claim.partition} is no longer held")
            try:
                check_identity(claim, member.layouts(None), self._topics)
                layouts = member.layouts(claim.partition)
                starts = self._reading.seek(claim, layouts)
                member.seek(claim.partition, starts)
            except (KafkaError, DependencyDown) as error:
                self._note_trouble(error)
            else:
                return
            self.keep()
            self._wait.wait(pause)

    def commit(self, progress: Sequence[Progress]) -> None:
        """Leave `needed_from` with the group as a hint; a failure is counted."""
        if self._member is None:
            return
        offsets = {
            TopicPartition(name, part.partition): topic.needed_from
            for part in progress
            for name, topic in part.topics.items()
        }
        try:
            self._member.commit(offsets, self._count_failure)
        except KafkaError as error:
            self._count_failure(error)

    def _count_failure(self, error: Exception) -> None:
        self._metrics.commit_failures_total.inc()
        self._out.warning("commit_failed", error=described(error))

    def _connected(self) -> Member | None:
        now = self._clock.monotonic()
        if self._member is None and now >= self._next_try:
            try:
                self._member = Member(self._policy, clock=self._clock)
            except DependencyDown as error:
                self._note_trouble(error)
                self._next_try = self._clock.monotonic() + next(self._pauses)
            else:
                self._pauses = pauses(self._policy.retry, random.Random())  # noqa: S311 - jitter
                self._out.info("kafka_connected")
        return self._member

    def _note_trouble(self, error: Exception) -> None:
        words = described(error)
        if words != self._trouble:
            self._out.warning("kafka_unavailable", error=words)
        self._trouble = words

    def _fetch(self, member: Member, wait_seconds: float) -> None:
        room = self._reading.room()
        member.pause({TopicPartition(*place) for place, free in room.items() if free > 0})
        self._offer(member.poll(int(wait_seconds * 1000)))

    def _offer(self, found: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        now = self._clock.monotonic()
        for place, records in found.items():
            if place.partition not in self._reading.partitions or not records:
                continue
            self._check_times(place.partition, records[0])
            messages = [message_of(record) for record in records]
            lost = self._lost_before(place, messages[0].position.offset)
            self._reading.offer(place.topic, place.partition, [*lost, *messages], at=now)

    def _check_times(self, partition: int, record: ConsumerRecord) -> None:
        try:
            check_append_time(record)
        except LayoutChanged as error:
            self._refused[partition] = str(error)
            raise

    def _lost_before(self, place: TopicPartition, offset: int) -> list[Loss]:
        """Return what retention took between what was awaited and `offset`.

        A jump within a log that still begins before it is none: transaction marks, compaction.
        """
        awaited = self._reading.starts(place.partition)[place.topic]
        if offset <= awaited or self._member is None:
            return []
        begins = min(self._member.begins([place])[place], offset)
        return [Loss(place.topic, place.partition, awaited, begins)] if begins > awaited else []

    def _ask_ends(self, member: Member) -> None:
        places = [TopicPartition(*place) for place in self._reading.asks(self._clock.monotonic())]
        if places:
            asked_at = self._clock.monotonic()
            ends = member.ends(places)
            self._reading.answer(
                {(p.topic, p.partition): end for p, end in ends.items()}, asked_at=asked_at
            )
        for place in [TopicPartition(*place) for place in self._reading.behind()]:
            self._pass_marks(member, place)

    def _pass_marks(self, member: Member, place: TopicPartition) -> None:
        """Follow the consumer over offsets that hold nothing to give (marks, a log cut off)."""
        position = member.position(place)
        awaited = self._reading.starts(place.partition)[place.topic]
        if position is None or position <= awaited:
            return
        begins = min(member.begins([place])[place], position)
        if begins > awaited:
            loss = Loss(place.topic, place.partition, awaited, begins)
            self._reading.offer(place.topic, place.partition, [loss], at=self._clock.monotonic())
        self._reading.advance(place.topic, place.partition, position)

    def _check_layout(self, member: Member) -> None:
        """Look now and then whether the topics are still the same, or there at last."""
        now = self._clock.monotonic()
        if now - self._layout_at < self._policy.reading.layout_every_seconds:
            return
        self._layout_at = now
        layouts = member.layouts(None)
        if self._reading.partitions:
            self._reading.check(layouts)
        absent = [name for name in self._topics if name not in layouts]
        self._absent = (
            f"no topic {', '.join(absent)}: run `mmindustry topics create`" if absent else None
        )
