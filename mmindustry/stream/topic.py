"""One topic within one partition's reading: what came, what stands next, what is lost."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from mmindustry.domain import Gap, GapKind, Message, TopicProgress
from mmindustry.errors import LayoutChanged
from mmindustry.stream.layout import REMEDY, TopicLayout


@dataclass(frozen=True, slots=True)
class Loss:
    """Offsets [first, last) of a topic that the log can no longer give."""

    topic: str
    partition: int
    first: int
    last: int

    def gap(self, started: datetime) -> Gap:
        """Return the gap row of this loss; it is over as soon as it is found."""
        return Gap(
            partition=self.partition,
            asset="",
            source=self.topic,
            kind=GapKind.DATA,
            started=started,
            ended=started,
            first_offset=self.first,
            last_offset=self.last,
        )


def size_of(message: Message) -> int:
    """Return the bytes of a message: key, value and headers."""
    size = len(message.key or b"") + len(message.value or b"")
    for name, value in message.headers:
        size += len(name) + len(value)
    return size


class _Held(NamedTuple):
    """What was fetched, when (monotonic seconds), and its bytes (a loss has none)."""

    item: Message | Loss
    at: float
    size: int


class TopicReading:
    """A queue of fetched messages between two offsets: `next` to go out, `fetched` to come in."""

    def __init__(
        self, name: str, partition: int, layout: TopicLayout, known: TopicProgress | None
    ) -> None:
        begin = layout.begins[partition]
        self.name = name
        self.partition = partition
        self.fingerprint = layout.fingerprint
        self.first = known.first if known else begin
        self.skipped = known.skipped if known else 0
        self.asked_at: float | None = None
        self.bytes = 0
        self._through = known.read_through if known else begin
        self._next = known.needed_from if known else begin
        self._end: int | None = None
        self._queue: deque[_Held] = deque()
        self.fetched = self._next
        if begin > self._next:
            self.offer([Loss(name, partition, self._next, begin)], at=0.0)

    @property
    def read_through(self) -> int:
        """The offset of the next message to read for the first time."""
        return max(self._next, self._through)

    @property
    def is_back(self) -> bool:
        """Whether all that was read before the claim has been read again."""
        return self._next >= self._through

    @property
    def head(self) -> Message | None:
        """The next message to go out; None where nothing is fetched, or a loss stands first."""
        front = self._queue[0].item if self._queue else None
        return front if isinstance(front, Message) else None

    @property
    def head_at(self) -> float:
        """When the head came (monotonic seconds)."""
        return self._queue[0].at

    @property
    def head_bytes(self) -> int:
        """The size of the head."""
        return self._queue[0].size if self._queue else 0

    @property
    def loss(self) -> Loss | None:
        """The loss that stands first, if one does."""
        front = self._queue[0].item if self._queue else None
        return front if isinstance(front, Loss) else None

    @property
    def after_loss(self) -> Message | None:
        """The first fetched message, behind whatever losses stand before it."""
        return next((held.item for held in self._queue if isinstance(held.item, Message)), None)

    @property
    def is_at_end(self) -> bool:
        """Whether nothing waits here and an answer showed that the log has no more."""
        return not any(isinstance(held.item, Message) for held in self._queue) and (
            self.asked_at is not None and self._end is not None and self.fetched >= self._end
        )

    @property
    def is_behind(self) -> bool:
        """Whether nothing is fetched though the log said it goes on."""
        return not self._queue and self._end is not None and self.fetched < self._end

    def was_at_end(self, moment: float) -> bool:
        """Return whether an answer asked for at or after `moment` showed the end."""
        return self.is_at_end and self.asked_at is not None and self.asked_at >= moment

    def offer(self, items: Iterable[Message | Loss], *, at: float) -> None:
        """Take what was fetched, in offset order.

        Raises:
            LayoutChanged: A message stands before what was fetched: the log was made anew.
        """
        for item in items:
            first = item.first if isinstance(item, Loss) else item.position.offset
            after = item.last if isinstance(item, Loss) else first + 1
            if first < self.fetched:
                raise LayoutChanged(
                    f"topic {self.name} partition {self.partition} gives offset {first} where "
                    f"{self.fetched} was awaited; {REMEDY}"
                )
            size = 0 if isinstance(item, Loss) else size_of(item)
            self._queue.append(_Held(item, at, size))
            self.bytes += size
            self.fetched = after
            self.asked_at = None
        self._end = max(self._end or 0, self.fetched)

    def answer(self, end: int, *, asked_at: float) -> None:
        """Take the log's word that it ends at `end`.

        Raises:
            LayoutChanged: That is before what was fetched.
        """
        if end < self.fetched:
            raise LayoutChanged(
                f"topic {self.name} partition {self.partition} ends at {end}, before "
                f"{self.fetched} that was read; {REMEDY}"
            )
        self._end = end
        self.asked_at = asked_at

    def advance(self, offset: int) -> None:
        """Pass offsets below `offset` that hold no message (transaction marks, compaction)."""
        if offset > self.fetched and not self._queue:
            self._pass(offset)
            self.fetched = offset

    def pop(self) -> tuple[Message, float]:
        """Return the head, marked `seen` where it was read before the claim, and when it came."""
        item, at, size = self._queue.popleft()
        if isinstance(item, Loss):
            raise TypeError(f"a loss stands first in {self.name}: pass it")
        offset = item.position.offset
        self.bytes -= size
        self._pass(offset)
        self._next = offset + 1
        return (_seen(item) if offset < self._through else item), at

    def pass_loss(self) -> Loss:
        """Return the loss that stands first, its offsets counted as skipped."""
        item = self._queue.popleft().item
        if isinstance(item, Message):
            raise TypeError(f"a message stands first in {self.name}: pop it")
        self._pass(item.last)
        return item

    def _pass(self, offset: int) -> None:
        """Move `next` to `offset`; what was never read on the way is skipped."""
        self.skipped += max(0, offset - self.read_through)
        self._next = max(self._next, offset)


def _seen(message: Message) -> Message:
    return Message(
        message.position,
        message.key,
        message.value,
        message.headers,
        message.append_time,
        seen=True,
    )
