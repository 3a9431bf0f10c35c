"""One partition of all input topics, read as one stream in append order.

A message goes out when no sibling topic can still bring an earlier one: each sibling either shows
its own next message, or was seen at its end by an answer of the log that was asked for after this
message had come. So a topic that is behind, or whose end nobody tells, holds its siblings back.

Pure: the monotonic clock comes in with each call, nothing is read or waited for here.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from mmindustry.domain import Arrival, Claim, Gap, Message
from mmindustry.errors import LayoutChanged
from mmindustry.stream.layout import REMEDY, TopicLayout
from mmindustry.stream.topic import Loss, TopicReading

_TICK = timedelta(microseconds=1)


class PartitionMerge:
    """The reading of one partition after a claim: merge, arrival clock, `seen`, losses."""

    def __init__(
        self, claim: Claim, layouts: Mapping[str, TopicLayout], topics: Sequence[str]
    ) -> None:
        """Start where the claim says.

        Args:
            claim: What the record knows; its `needed_from` is where reading starts.
            layouts: The log as it is now, checked against the claim.
            topics: The input topics; their order breaks ties of append time.
        """
        known = claim.progress.topics if claim.progress else {}
        self.partition = claim.partition
        self._topics = {
            name: TopicReading(name, claim.partition, layouts[name], known.get(name))
            for name in topics
        }
        self._time = claim.progress.arrival if claim.progress else None
        self._anchor: float | None = None
        self._ready = False
        self._gaps: list[Gap] = []
        self._gap_times: dict[str, datetime] = {}

    def check(self, layouts: Mapping[str, TopicLayout]) -> None:
        """Check that the topics are still those of the beginning.

        Raises:
            LayoutChanged: One was made anew or has another partition count.
        """
        for name, topic in self._topics.items():
            if layouts[name].fingerprint != topic.fingerprint:
                raise LayoutChanged(
                    f"topic {name} was {topic.fingerprint} (id/partitions), now it is "
                    f"{layouts[name].fingerprint}; {REMEDY}"
                )

    def starts(self) -> Mapping[str, int]:
        """Return topic -> offset to fetch from next."""
        return {name: topic.fetched for name, topic in self._topics.items()}

    def offer(self, topic: str, items: Iterable[Message | Loss], *, at: float) -> None:
        """Take what was fetched of `topic`, in offset order, come at monotonic time `at`."""
        self._topics[topic].offer(items, at=at)
        self._pass_losses()

    def advance(self, topic: str, offset: int) -> None:
        """Pass offsets of an empty `topic` below `offset` that hold no message."""
        self._topics[topic].advance(offset)

    def answer(self, topic: str, end: int, *, asked_at: float) -> None:
        """Take the log's word, asked for at `asked_at`, that `topic` ends at `end`.

        Raises:
            LayoutChanged: The log ends before what was fetched.
        """
        self._topics[topic].answer(end, asked_at=asked_at)
        self._pass_losses()
        self._run_clock()

    def asks(self, now: float, every_seconds: float) -> list[str]:
        """Return the topics whose end must be asked for.

        Those are the empty ones whose last answer is older than a waiting message, or, where
        nothing waits, older than `every_seconds`.
        """
        newest = self._newest_head()
        wanted = now - every_seconds if newest is None else newest
        return [
            name
            for name, topic in self._topics.items()
            if topic.head is None and (topic.asked_at is None or topic.asked_at < wanted)
        ]

    def behind(self) -> list[str]:
        """Return the topics that hold nothing though the log said it goes on."""
        return [name for name, topic in self._topics.items() if topic.is_behind]

    def held_bytes(self) -> Mapping[str, int]:
        """Return topic -> bytes fetched and not yet taken."""
        return {name: topic.bytes for name, topic in self._topics.items()}

    def take(
        self, messages: int, payload_bytes: int, *, first_passes: bool = True
    ) -> tuple[list[Message], int]:
        """Return the next messages in append order and their bytes.

        Args:
            messages: Most messages.
            payload_bytes: Most bytes.
            first_passes: Whether the first message goes out whatever its size.
        """
        taken: list[Message] = []
        size = 0
        while len(taken) < messages and (topic := self._next()) is not None:
            weight = topic.head_bytes
            if (taken or not first_passes) and size + weight > payload_bytes:
                break
            size += weight
            taken.append(self._emit(topic))
            self._pass_losses()
        return taken, size

    def arrival(self) -> Arrival:
        """Return where the reading stands."""
        return Arrival(
            time=self._time,
            ready=self.is_ready(),
            read_through={name: t.read_through for name, t in self._topics.items()},
            skipped={name: t.skipped for name, t in self._topics.items()},
            topic_ids={name: t.fingerprint for name, t in self._topics.items()},
            first={name: t.first for name, t in self._topics.items()},
        )

    def is_ready(self) -> bool:
        """Return whether every topic is back at the `read_through` of the claim; stays so."""
        self._ready = self._ready or all(t.is_back for t in self._topics.values())
        return self._ready

    def losses(self) -> list[Gap]:
        """Return, once, the stretches that were lost and have been passed."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def _newest_head(self) -> float | None:
        heads = [topic.head_at for topic in self._topics.values() if topic.head is not None]
        return max(heads) if heads else None

    def _next(self) -> TopicReading | None:
        best = None
        for topic in self._topics.values():
            head = topic.head
            if head is not None and (best is None or head.append_time < best[0]):
                best = (head.append_time, topic)
        if best is None:
            return None
        chosen = best[1]
        for topic in self._topics.values():
            if topic.head is None and not topic.was_at_end(chosen.head_at):
                return None
        return chosen

    def _emit(self, topic: TopicReading) -> Message:
        message, at = topic.pop()
        if self._time is None or message.append_time > self._time:
            self._time = message.append_time
            self._anchor = at
        return message

    def _pass_losses(self) -> None:
        for topic in self._topics.values():
            while (started := self._loss_time(topic)) is not None:
                loss = topic.pass_loss()
                at = max(started, self._gap_times.get(topic.name, started - _TICK) + _TICK)
                self._gap_times[topic.name] = at
                self._gaps.append(loss.gap(at))

    def _loss_time(self, topic: TopicReading) -> datetime | None:
        if topic.loss is None:
            return None
        after = topic.after_loss
        return self._time or (after.append_time if after else None)

    def _run_clock(self) -> None:
        """Let the arrival clock run up to the oldest of the topics' newest answers."""
        if not self.is_ready() or self._time is None:
            return
        answers = [t.asked_at for t in self._topics.values() if t.is_at_end]
        shown = [asked for asked in answers if asked is not None]
        if len(shown) < len(self._topics):
            return
        until = min(shown)
        if self._anchor is None:
            self._anchor = until
        elif until > self._anchor:
            self._time += timedelta(seconds=until - self._anchor)
            self._anchor = until
