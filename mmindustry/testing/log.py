"""An in-memory log, a consumer group over it, and the Source that a member reads with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mmindustry.clock import Clock
from mmindustry.domain import Arrival, Claim, Gap, GapKind, Message, Position, Progress
from mmindustry.errors import Fenced, LayoutChanged


class FakeLog:
    """Topics of equal partition counts; append times are a running maximum of the clock."""

    def __init__(self, topics: Sequence[str], partitions: int, clock: Clock) -> None:
        self.topics = tuple(topics)
        self.partitions = partitions
        self.clock = clock
        self.ids = {topic: f"id-{topic}-1" for topic in topics}
        self.begins: dict[tuple[str, int], int] = {}
        self._records: dict[tuple[str, int], list[Message]] = {
            (topic, partition): [] for topic in topics for partition in range(partitions)
        }

    def append(
        self,
        topic: str,
        partition: int,
        record: tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]],
    ) -> Position:
        """Append (key, value, headers) and return where it stands."""
        records = self._records[topic, partition]
        position = Position(topic, partition, len(records))
        appended = self.clock.now()
        if records:
            appended = max(appended, records[-1].append_time)
        key, value, headers = record
        records.append(Message(position, key, value, tuple(headers), appended))
        return position

    def records(self, topic: str, partition: int) -> Sequence[Message]:
        """Return all that was ever appended there, retention or not."""
        return self._records[topic, partition]

    def begin(self, topic: str, partition: int) -> int:
        """Return the lowest offset that retention has left."""
        return self.begins.get((topic, partition), 0)

    def expire(self, topic: str, partition: int, offset: int) -> None:
        """Let retention take everything below `offset`."""
        self.begins[topic, partition] = max(self.begin(topic, partition), offset)

    def end(self, topic: str, partition: int) -> int:
        """Return the offset the next message will get."""
        return len(self._records[topic, partition])


class FakeGroup:
    """Says which member holds which partitions; a member only knows once it has looked."""

    def __init__(self) -> None:
        self._wanted: dict[str, tuple[int, ...]] = {}
        self._noted: dict[str, tuple[int, ...]] = {}

    def assign(self, member: str, partitions: Sequence[int]) -> None:
        """Give `member` these partitions from its next look on."""
        self._wanted[member] = tuple(partitions)

    def changed(self, member: str) -> bool:
        """Return whether the member has not acted on its newest assignment."""
        return self._wanted.get(member, ()) != self._noted.get(member, ())

    def take(self, member: str) -> tuple[int, ...] | None:
        """Return the newest assignment once; None where it is known already."""
        if not self.changed(member):
            return None
        self._noted[member] = self._wanted.get(member, ())
        return self._noted[member]

    def held(self, member: str) -> tuple[int, ...]:
        """Return the assignment the member has acted on last."""
        return self._noted.get(member, ())


class FakeSource:
    """The Source port over a `FakeLog`; `poll` takes at most `most` messages a partition."""

    def __init__(self, log: FakeLog, group: FakeGroup, member: str, *, most: int = 10) -> None:
        self._log = log
        self._group = group
        self._member = member
        self._most = most
        self._next: dict[tuple[str, int], int] = {}
        self._through: dict[tuple[str, int], int] = {}
        self._first: dict[tuple[str, int], int] = {}
        self._skipped: dict[tuple[str, int], int] = {}
        self._clocks: dict[int, datetime | None] = {}
        self._losses: list[Gap] = []
        self.committed: dict[int, Progress] = {}
        self.kept = 0

    def take_change(self) -> Sequence[int] | None:
        """Return a newly noted assignment, once."""
        return self._group.take(self._member)

    def held(self) -> Sequence[int]:
        """Return the partitions this member believes it holds."""
        return self._group.held(self._member)

    def keep(self) -> None:
        """Count the call; a noted rebalance ends what is being waited for."""
        self.kept += 1
        if self._group.changed(self._member):
            raise Fenced(f"{self._member}: a rebalance was noted")

    def seek(self, claim: Claim) -> None:
        """Read on from the claim's `needed_from`, noting what retention took."""
        known = {} if claim.progress is None else claim.progress.topics
        starts = {}
        for topic in self._log.topics:
            place = topic, claim.partition
            begin = self._log.begin(*place)
            progress = known.get(topic)
            if progress is None:
                self._first[place] = begin
                starts[place] = (begin, begin, 0)
                continue
            if progress.topic_id != self._log.ids[topic]:
                raise LayoutChanged(f"{topic} has a new id; run `mmindustry topics relayout`")
            if self._log.end(*place) < progress.read_through:
                raise LayoutChanged(f"{topic} ends early; run `mmindustry topics relayout`")
            self._first[place] = progress.first
            starts[place] = (progress.needed_from, progress.read_through, progress.skipped)
        for place, (needed, through, skipped) in starts.items():
            self._next[place] = needed
            self._through[place] = through
            self._skipped[place] = skipped
            self._skip_lost(place)
        self._clocks[claim.partition] = None if claim.progress is None else claim.progress.arrival

    def _skip_lost(self, place: tuple[str, int]) -> None:
        begin, at = self._log.begin(*place), self._next[place]
        if begin <= at:
            return
        self._skipped[place] += max(0, begin - max(at, self._through[place]))
        self._next[place] = begin
        self._through[place] = max(self._through[place], begin)
        self._losses.append(
            Gap(
                partition=place[1],
                asset="",
                source=place[0],
                kind=GapKind.DATA,
                started=self._clocks.get(place[1]) or self._log.clock.now(),
                first_offset=at,
                last_offset=begin,
            )
        )

    def losses(self) -> Sequence[Gap]:
        """Return, once, what retention took before it was read."""
        losses, self._losses = self._losses, []
        return losses

    def poll(self) -> Sequence[Message]:
        """Return up to `most` messages of each partition in append order."""
        found: list[Message] = []
        for partition in self._group.held(self._member):
            found += self._poll(partition)
        return found

    def _poll(self, partition: int) -> list[Message]:
        taken: list[Message] = []
        while len(taken) < self._most:
            message = self._following(partition)
            if message is None or not self._admits(taken, message):
                break
            place = message.position.topic, partition
            seen = message.position.offset < self._through[place]
            taken.append(replace(message, seen=seen))
            self._next[place] = message.position.offset + 1
            self._clocks[partition] = max(
                self._clocks[partition] or message.append_time, message.append_time
            )
        clock = self._clocks.get(partition)
        if not taken and clock is not None and self._at_end(partition):
            self._clocks[partition] = max(clock, self._idle_clock(partition))
        return taken

    def _idle_clock(self, partition: int) -> datetime:
        """Return how far the arrival clock may run while every topic is at its end."""
        del partition
        return self._log.clock.now()

    def _admits(self, taken: Sequence[Message], message: Message) -> bool:
        """Return whether the poll goes on with this message; a subclass may cut it shorter."""
        del taken, message
        return True

    def _following(self, partition: int) -> Message | None:
        heads = []
        for topic in self._log.topics:
            place = topic, partition
            if place not in self._next:
                return None
            self._skip_lost(place)
            records = self._log.records(*place)
            if self._next[place] < len(records):
                heads.append(records[self._next[place]])
        return min(heads, key=lambda m: (m.append_time, m.position.topic), default=None)

    def _at_end(self, partition: int) -> bool:
        return all(
            self._next.get((topic, partition)) == self._log.end(topic, partition)
            for topic in self._log.topics
        )

    def arrival(self) -> Mapping[int, Arrival]:
        """Return where each sought partition stands."""
        arrivals = {}
        for partition in self._group.held(self._member):
            places = {topic: (topic, partition) for topic in self._log.topics}
            if not all(place in self._next for place in places.values()):
                continue
            arrivals[partition] = Arrival(
                time=self._clocks[partition],
                ready=all(self._next[p] >= self._through[p] for p in places.values()),
                read_through={t: max(self._next[p], self._through[p]) for t, p in places.items()},
                skipped={t: self._skipped[p] for t, p in places.items()},
                topic_ids=dict(self._log.ids),
                first={t: self._first[p] for t, p in places.items()},
            )
        return arrivals

    def commit(self, progress: Sequence[Progress]) -> None:
        """Remember the hint."""
        for one in progress:
            self.committed[one.partition] = one
