"""The Archive port in memory: `FakeStorage` is the disk, `FakeArchive` one worker's hands."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from mmindustry.domain import (
    Chunk,
    Claim,
    Event,
    Evidence,
    Failed,
    Frame,
    Media,
    Position,
    Shard,
    ShardRow,
    Untaken,
    Window,
    WindowKey,
)


@dataclass(slots=True)
class FakeStorage:
    """Shards that survive a worker: id -> (partition, epoch, bytes by position)."""

    shards: dict[str, tuple[int, int, dict[Position, Media]]] = field(default_factory=dict)

    def holds(self, shard: str, position: Position) -> bool:
        """Return whether the bytes of `position` can be read from `shard`."""
        return shard in self.shards and position in self.shards[shard][2]


@dataclass(slots=True)
class _Row:
    row: ShardRow
    partition: int
    payloads: dict[Position, Media]

    @property
    def whole(self) -> bool:
        return all(e.position in self.payloads for e in self.row.evidence)


class FakeArchive:
    """Seals a partition's rows once `full` of them or `limit_bytes` are held, or on `flush`."""

    def __init__(
        self,
        storage: FakeStorage,
        named: Callable[[str], bool] = lambda _: True,
        *,
        full: int = 3,
        limit_bytes: int = 1 << 30,
    ) -> None:
        self._storage = storage
        self._named = named
        self._full = full
        self._limit_bytes = limit_bytes
        self._rows: list[_Row] = []
        self._epochs: dict[int, int] = {}
        self._flush = False
        self.lost: str | None = None

    def restore(self, claim: Claim) -> None:
        """Await the bytes of unsealed rows; delete unnamed shards of older epochs."""
        self._epochs[claim.partition] = claim.epoch
        for shard, (partition, epoch, _) in list(self._storage.shards.items()):
            if partition == claim.partition and epoch < claim.epoch and not self._named(shard):
                del self._storage.shards[shard]
        self._rows += [_Row(u.row, claim.partition, {}) for u in claim.unsealed]

    def forget(self) -> None:
        """Drop all that is held."""
        self._rows.clear()
        self._epochs.clear()

    def refill(self, events: Sequence[Event]) -> None:
        """Take the bytes that restored rows await."""
        for event in events:
            for row in self._rows:
                if any(e.position == event.position for e in row.row.evidence):
                    row.payloads[event.position] = _payload(event)

    def flush(self) -> None:
        """Seal whatever is held at the next `put`."""
        self._flush = True

    def put(
        self, windows: Sequence[Window], late: Sequence[Untaken], ready: Collection[int]
    ) -> list[Shard]:
        """Hold the rows; return the shards that became durable."""
        for window in windows:
            if window.items:
                row = ShardRow(key=window.key, late=False, evidence=window.evidence)
                payloads = {item.position: _payload(item) for item in window.items}
                self._rows.append(_Row(row, window.partition, payloads))
        for one in late:
            e = one.event
            evidence = Evidence(e.source, e.id, e.time, e.modality, e.position)
            key = WindowKey(e.asset, one.policy, one.late_for[0])
            row = ShardRow(key=key, late=True, evidence=(evidence,))
            self._rows.append(_Row(row, e.position.partition, {e.position: _payload(e)}))
        shards = [shard for partition in sorted(ready) for shard in self._seal(partition)]
        self._flush = False
        return shards

    def _seal(self, partition: int) -> list[Shard]:
        mine = [row for row in self._rows if row.partition == partition]
        held = sum(len(m.payload) for row in mine for m in row.payloads.values())
        due = self._flush or len(mine) >= self._full or held >= self._limit_bytes
        if not mine or not due:
            return []
        self._rows = [row for row in self._rows if row.partition != partition]
        whole = [row for row in mine if row.whole and self.lost is None]
        torn = [row for row in mine if not row.whole or self.lost is not None]
        shards = []
        if whole:
            shards.append(self._shard(partition, whole, None))
            payloads = {p: b for row in whole for p, b in row.payloads.items()}
            self._storage.shards[shards[-1].id] = (partition, shards[-1].epoch, payloads)
        if torn:
            shards.append(self._shard(partition, torn, self.lost or "retention"))
        return shards

    def _shard(self, partition: int, rows: list[_Row], lost: str | None) -> Shard:
        epoch = self._epochs.get(partition, 0)
        number = len(self._storage.shards)
        kind = "lost" if lost else "kept"
        first = rows[0].row
        name = f"{partition}-{epoch}-{number}-{kind}-{first.key.id}-{first.late}"
        return Shard(
            id=name,
            partition=partition,
            epoch=epoch,
            rows=tuple(row.row for row in rows),
            uri=None if lost else f"memory:{name}",
            bytes=sum(len(m.payload) for row in rows for m in row.payloads.values()),
            lost=lost,
        )

    def read(self, evidence: Sequence[Evidence]) -> list[Media | Failed]:
        """Return the bytes of each with their type, or why not."""
        return [self._read(one) for one in evidence]

    def _read(self, evidence: Evidence) -> Media | Failed:
        for _, _, payloads in self._storage.shards.values():
            if evidence.position in payloads:
                return payloads[evidence.position]
        key = WindowKey("", "", evidence.time)
        detail = f"no shard holds {evidence.position}"
        return Failed(key, evidence.time, "archive", "evidence_missing", detail)


def _payload(event: Event) -> Media:
    content = event.content
    if isinstance(content, Frame | Chunk):
        return Media(content.content_type, content.payload)
    return Media("text/plain", b"")
