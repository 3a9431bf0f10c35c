"""What a partition owes: rows without a shard, events in flight, and the counts of the ledger."""

from collections import Counter
from collections.abc import Sequence

from mmindustry.domain import (
    Arrival,
    Claim,
    Event,
    Modality,
    Position,
    Progress,
    Shard,
    TopicProgress,
    Window,
    WindowKey,
)
from mmindustry.windowing.held import Held


class Holdings:
    """Keeps, for one partition, why offsets may not be forgotten yet, and counts what came.

    Until the partition is back at `read_through`, what the record promised still counts: events
    in flight that have not come back, and the old `needed_from` (commit rules 2 and 3).
    """

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._rows: dict[WindowKey, tuple[Position, ...]] = {}
        self._late: set[Position] = set()
        self._promised = 0
        self._returned = 0
        self._floor: dict[str, int] = {}
        self.held = Held(partition)
        self.received = 0
        self.dropped: Counter[str] = Counter()
        self._new_drops: Counter[tuple[Modality | None, str]] = Counter()

    def restore(self, claim: Claim) -> None:
        """Begin from the counts, the needs and the unsealed rows that the record knows."""
        if claim.progress is not None:
            self.received = claim.progress.received
            self.dropped = Counter(claim.progress.dropped)
            self._promised = claim.progress.in_flight
            self._floor = {t: p.needed_from for t, p in claim.progress.topics.items()}
        for unsealed in claim.unsealed:
            positions = tuple(e.position for e in unsealed.row.evidence)
            if unsealed.row.late:
                self._name_late(positions)
            else:
                self._rows[unsealed.row.key] = positions
                for position in positions:
                    self.held.name(position, 0)

    def _name_late(self, positions: tuple[Position, ...], size_bytes: int = 0) -> None:
        for position in positions:
            if position not in self._late:
                self._late.add(position)
                self.held.name(position, size_bytes)

    def open(self, event: Event, *, named: bool) -> None:
        """Count an event into one more open window; `named`: a closed row or late list has it."""
        before = self.held.in_flight
        self.held.open(event.position, event.payload_bytes, named=named)
        if event.seen:
            self._returned += self.held.in_flight - before

    def returned(self, event: Event) -> None:
        """Count the bytes of a seen event that an unsealed row awaits."""
        self.held.resize(event.position, event.payload_bytes)

    def close(self, window: Window) -> None:
        """Turn the window's events from open ones into a row without a shard."""
        for item in window.items:
            self.held.name(item.position, item.payload_bytes)
            self.held.close(item.position)
        if window.items:
            self._rows[window.key] = tuple(item.position for item in window.items)

    def strike(self, window: Window, positions: frozenset[Position]) -> None:
        """Let a row go of the items at `positions`: they are no evidence."""
        held = self._rows.pop(window.key, ())
        for position in held:
            if position in positions:
                self.held.seal(position)
        kept = tuple(position for position in held if position not in positions)
        if kept:
            self._rows[window.key] = kept

    def late(self, event: Event) -> None:
        """Count a late event into a late entry without a shard."""
        self._name_late((event.position,), event.payload_bytes)

    def seal(self, shards: Sequence[Shard]) -> None:
        """Let go of the evidence that shards hold durably, or that was given up."""
        for shard in shards:
            for row in shard.rows:
                if row.late:
                    found = tuple(e.position for e in row.evidence if e.position in self._late)
                    self._late.difference_update(found)
                else:
                    found = self._rows.pop(row.key, ())
                for position in found:
                    self.held.seal(position)

    def settle(self, *, lossy: bool) -> bool:
        """Note that the partition is back at `read_through`; return whether events were lost.

        `lossy`: the stream said that it lost offsets. Only then is what did not come back dropped
        under `retention`; without such a loss a difference stays visible in the ledger.
        """
        missing = self._promised - self._returned
        self._promised = self._returned = 0
        self._floor = {}
        if not lossy or missing <= 0:
            return False
        self.drop(None, "retention", missing)
        return True

    def drop(self, modality: Modality | None, reason: str, count: int = 1) -> None:
        """Count messages dropped by a named policy; None = of a modality that is not known."""
        self.dropped[reason] += count
        self._new_drops[modality, reason] += count

    def take_drops(self) -> Counter[tuple[Modality | None, str]]:
        """Return, once, what was dropped since the last call."""
        taken, self._new_drops = self._new_drops, Counter()
        return taken

    def progress(self, arrival: Arrival) -> Progress:
        """Return this partition's progress for the record (commit rule 2)."""
        topics = {
            topic: TopicProgress(
                topic_id=arrival.topic_ids.get(topic, ""),
                first=arrival.first.get(topic, 0),
                read_through=offset,
                needed_from=self._needed_from(topic, offset),
                skipped=arrival.skipped.get(topic, 0),
            )
            for topic, offset in arrival.read_through.items()
        }
        return Progress(
            partition=self._partition,
            arrival=arrival.time,
            topics=topics,
            received=self.received,
            in_flight=self.held.in_flight + self._promised - self._returned,
            dropped=dict(self.dropped),
        )

    def _needed_from(self, topic: str, read_through: int) -> int:
        needed = self.held.needed_from(topic, read_through)
        return min(needed, self._floor.get(topic, needed))
