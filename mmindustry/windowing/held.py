"""What a partition still holds: which offsets, how many bytes, and how much is in flight."""

import heapq
from dataclasses import dataclass

from mmindustry.domain import Position


@dataclass(slots=True)
class _Hold:
    windows: int
    rows: int
    size_bytes: int
    named: bool


class Held:
    """Counts, for one partition, the open windows and unsealed rows that hold each event.

    An event is held once however many windows cover it. `needed_from` is the lowest offset held,
    so what lies below it may be forgotten by the stream (commit rule 2).
    """

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._holds: dict[Position, _Hold] = {}
        self._offsets: dict[str, list[int]] = {}
        self.bytes = 0
        self.open_bytes = 0
        self.in_flight = 0

    def open(self, position: Position, size_bytes: int, *, named: bool) -> None:
        """Count one more open window holding the event; `named`: some row names it already."""
        hold = self._hold(position, size_bytes, named=named)
        if hold.windows == 0:
            self.open_bytes += hold.size_bytes
            if not hold.named:
                self.in_flight += 1
        hold.windows += 1

    def name(self, position: Position, size_bytes: int) -> None:
        """Count one more unsealed row holding the event, which is thereby no more in flight."""
        hold = self._hold(position, size_bytes, named=False)
        if not hold.named:
            hold.named = True
            if hold.windows:
                self.in_flight -= 1
        hold.rows += 1

    def close(self, position: Position) -> None:
        """Count one open window less."""
        hold = self._holds[position]
        hold.windows -= 1
        if hold.windows == 0:
            self.open_bytes -= hold.size_bytes
            if not hold.named:
                self.in_flight -= 1
        self._release(position, hold)

    def seal(self, position: Position) -> None:
        """Count one unsealed row less; unknown positions (never refilled) are passed over."""
        hold = self._holds.get(position)
        if hold is None or hold.rows == 0:
            return
        hold.rows -= 1
        self._release(position, hold)

    def needed_from(self, topic: str, read_through: int) -> int:
        """Return the lowest offset of `topic` still held, or `read_through` where none is."""
        offsets = self._offsets.get(topic)
        while offsets:
            if Position(topic, self._partition, offsets[0]) in self._holds:
                return min(offsets[0], read_through)
            heapq.heappop(offsets)
        return read_through

    def _hold(self, position: Position, size_bytes: int, *, named: bool) -> _Hold:
        hold = self._holds.get(position)
        if hold is None:
            hold = self._holds[position] = _Hold(0, 0, size_bytes, named)
            self.bytes += size_bytes
            heapq.heappush(self._offsets.setdefault(position.topic, []), position.offset)
        return hold

    def _release(self, position: Position, hold: _Hold) -> None:
        if hold.windows == 0 and hold.rows == 0:
            del self._holds[position]
            self.bytes -= hold.size_bytes

    def resize(self, position: Position, size_bytes: int) -> None:
        """Count the bytes of an event whose row was known before its bytes came back."""
        hold = self._holds.get(position)
        if hold is not None and hold.size_bytes == 0:
            hold.size_bytes = size_bytes
            self.bytes += size_bytes
            if hold.windows:
                self.open_bytes += size_bytes
