"""All partitions one member reads: byte bounds over them, and fairness between them."""

from collections.abc import Iterable, Mapping, Sequence

from mmindustry.domain import Arrival, Claim, Gap, Message
from mmindustry.stream.layout import TopicLayout, check_claim, check_counts
from mmindustry.stream.merge import PartitionMerge
from mmindustry.stream.policy import ReadingPolicy
from mmindustry.stream.topic import Loss


class Reading:
    """The merges of the sought partitions, and which topics are ahead of their share of bytes."""

    def __init__(self, topics: Sequence[str], policy: ReadingPolicy) -> None:
        self._topics = tuple(topics)
        self._policy = policy
        self._merges: dict[int, PartitionMerge] = {}
        self._turn = 0

    @property
    def partitions(self) -> tuple[int, ...]:
        """The sought partitions, ascending."""
        return tuple(sorted(self._merges))

    def seek(self, claim: Claim, layouts: Mapping[str, TopicLayout]) -> Mapping[str, int]:
        """Begin the claim's partition anew; return topic -> offset to fetch from.

        Raises:
            LayoutChanged: The log is not the one the claim's offsets are from.
        """
        self._merges.pop(claim.partition, None)
        check_claim(claim, layouts, self._topics)
        merge = PartitionMerge(claim, layouts, self._topics)
        self._merges[claim.partition] = merge
        return merge.starts()

    def check(self, layouts: Mapping[str, TopicLayout]) -> None:
        """Check that the topics are still those that were sought.

        Raises:
            LayoutChanged: One is missing, made anew, or has another partition count.
        """
        check_counts(layouts, self._topics)
        for merge in self._merges.values():
            merge.check(layouts)

    def forget(self, partitions: Iterable[int]) -> None:
        """Let go of all partitions but those given."""
        kept = set(partitions)
        self._merges = {p: merge for p, merge in self._merges.items() if p in kept}

    def starts(self, partition: int) -> Mapping[str, int]:
        """Return topic -> offset to fetch next, for a sought partition."""
        return self._merges[partition].starts()

    def offer(
        self, topic: str, partition: int, items: Iterable[Message | Loss], *, at: float
    ) -> None:
        """Take what was fetched at monotonic time `at`; of a partition not sought, nothing."""
        if partition in self._merges:
            self._merges[partition].offer(topic, items, at=at)

    def advance(self, topic: str, partition: int, offset: int) -> None:
        """Pass offsets of an empty topic that hold no message."""
        self._merges[partition].advance(topic, offset)

    def answer(self, ends: Mapping[tuple[str, int], int], *, asked_at: float) -> None:
        """Take the log's word, asked for at `asked_at`, where topics end.

        Raises:
            LayoutChanged: A log ends before what was fetched.
        """
        for (topic, partition), end in ends.items():
            if partition in self._merges:
                self._merges[partition].answer(topic, end, asked_at=asked_at)

    def asks(self, now: float) -> list[tuple[str, int]]:
        """Return the (topic, partition) whose ends must be asked for."""
        every = self._policy.end_every_seconds
        return [
            (topic, partition)
            for partition, merge in self._merges.items()
            for topic in merge.asks(now, every)
        ]

    def behind(self) -> list[tuple[str, int]]:
        """Return the (topic, partition) that hold nothing though their log goes on."""
        return [(topic, p) for p, merge in self._merges.items() for topic in merge.behind()]

    def room(self) -> dict[tuple[str, int], int]:
        """Return (topic, partition) -> bytes it may still fetch; 0 or less = pause it.

        Each has an equal share of the budget, so an empty topic always has room: what the others
        wait for is never paused.
        """
        share = self._policy.buffer_bytes // max(1, len(self._merges) * len(self._topics))
        return {
            (topic, partition): share - held
            for partition, merge in self._merges.items()
            for topic, held in merge.held_bytes().items()
        }

    def take(self) -> list[Message]:
        """Return the next messages of all partitions, bounded in number and bytes.

        Within a partition in append order; the partition that goes first changes by turns.
        """
        order = self.partitions
        if not order:
            return []
        self._turn = (self._turn + 1) % len(order)
        taken: list[Message] = []
        room = self._policy.poll_bytes
        for partition in (*order[self._turn :], *order[: self._turn]):
            left = self._policy.poll_messages - len(taken)
            if left <= 0 or room <= 0:
                break
            part, size = self._merges[partition].take(left, room, first_passes=not taken)
            taken.extend(part)
            room -= size
        return taken

    def arrival(self) -> dict[int, Arrival]:
        """Return where the reading of each sought partition stands."""
        return {p: merge.arrival() for p, merge in sorted(self._merges.items())}

    def losses(self) -> list[Gap]:
        """Return, once, what was found lost."""
        return [gap for _, merge in sorted(self._merges.items()) for gap in merge.losses()]
