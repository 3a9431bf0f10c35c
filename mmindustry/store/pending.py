"""Rows whose evidence no shard holds yet: their bytes, their age, what they still await."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from mmindustry.domain import (
    Chunk,
    Claim,
    Event,
    Evidence,
    Frame,
    LogEntry,
    Media,
    OperatingState,
    Position,
    ShardRow,
    Untaken,
    Window,
    WindowKey,
)


@dataclass(slots=True)
class HeldRow:
    """A row with the bytes of its evidence, as far as they are there."""

    row: ShardRow
    end: datetime | None
    media: dict[Position, Media] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether every item's bytes are there."""
        return all(item.position in self.media for item in self.row.evidence)

    @property
    def bytes(self) -> int:
        """Bytes of media held."""
        return sum(len(media.payload) for media in self.media.values())


class Pending:
    """What one worker holds, partition by partition, in the order it came."""

    def __init__(self) -> None:
        self._rows: dict[int, list[HeldRow]] = {}
        self._since: dict[int, float] = {}
        self._bytes: dict[int, int] = {}
        self._awaited: dict[Position, list[HeldRow]] = {}

    @property
    def bytes(self) -> int:
        """Bytes held over all partitions."""
        return sum(self._bytes.values())

    def bytes_of(self, partition: int) -> int:
        """Bytes held for a partition."""
        return self._bytes.get(partition, 0)

    def since(self, partition: int) -> float | None:
        """When the oldest row of a partition came, monotonic seconds; None: there is none."""
        return self._since.get(partition)

    def partitions(self) -> Sequence[int]:
        """Return the partitions that hold rows, fullest first."""
        return sorted(self._rows, key=lambda partition: -self.bytes_of(partition))

    def restore(self, claim: Claim, now: float) -> None:
        """Await the bytes of the claim's unsealed rows."""
        for unsealed in claim.unsealed:
            row = HeldRow(unsealed.row, unsealed.end)
            self._add(claim.partition, row, now)
            for item in unsealed.row.evidence:
                self._awaited.setdefault(item.position, []).append(row)

    def refill(self, events: Iterable[Event]) -> None:
        """Take the bytes that restored rows await."""
        for event in events:
            for row in self._awaited.pop(event.position, ()):
                media = row.media[event.position] = media_of(event)
                partition = event.position.partition
                self._bytes[partition] = self.bytes_of(partition) + len(media.payload)

    def hold_window(self, window: Window, now: float) -> None:
        """Hold a closed window; one without items has nothing to keep."""
        if window.items:
            row = ShardRow(key=window.key, late=False, evidence=window.evidence)
            media = {item.position: media_of(item) for item in window.items}
            self._add(window.partition, HeldRow(row, window.end, media), now)

    def hold_late(self, untaken: Untaken, now: float) -> None:
        """Hold a late event, under the first window that it missed."""
        if not untaken.late_for:
            return
        event = untaken.event
        item = Evidence(event.source, event.id, event.time, event.modality, event.position)
        key = WindowKey(event.asset, untaken.policy, untaken.late_for[0])
        row = ShardRow(key=key, late=True, evidence=(item,))
        media = {event.position: media_of(event)}
        self._add(event.position.partition, HeldRow(row, None, media), now)

    def _add(self, partition: int, row: HeldRow, now: float) -> None:
        self._rows.setdefault(partition, []).append(row)
        self._since.setdefault(partition, now)
        self._bytes[partition] = self.bytes_of(partition) + row.bytes

    def rows(self, partition: int) -> Sequence[HeldRow]:
        """Return what is held for a partition."""
        return tuple(self._rows.get(partition, ()))

    def drop(self, partition: int) -> None:
        """Let go of a partition's rows: they are in a shard, or given up."""
        for row in self._rows.pop(partition, ()):
            for item in row.row.evidence:
                self._awaited.pop(item.position, None)
        self._since.pop(partition, None)
        self._bytes.pop(partition, None)

    def forget(self) -> None:
        """Let go of everything."""
        for each in (self._rows, self._since, self._bytes, self._awaited):
            each.clear()


def media_of(event: Event) -> Media:
    """Return the bytes that are archived for an event; text and states as JSON."""
    content = event.content
    if isinstance(content, Frame | Chunk):
        return Media(content.content_type, content.payload)
    return Media("application/json", msgspec.json.encode(_plain(content)))


def _plain(content: LogEntry | OperatingState) -> Mapping[str, object]:
    """Return a text's or state's fields that say something."""
    if isinstance(content, OperatingState):
        told: dict[str, object] = {
            "running": content.running,
            "speed_rpm": content.speed_rpm,
            "load_ratio": content.load_ratio,
        }
    else:
        told = {"text": content.text, "author": content.author}
    return {name: value for name, value in told.items() if value is not None}
