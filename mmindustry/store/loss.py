"""Evidence that is given up: what the record is told of it, and the archive that keeps nothing."""

from collections.abc import Collection, Sequence

from mmindustry.domain import (
    Claim,
    Event,
    Evidence,
    Failed,
    Media,
    Shard,
    Untaken,
    Window,
    WindowKey,
)
from mmindustry.store.pending import HeldRow, Pending
from mmindustry.store.shards import ShardName

FULL = "archive_full"
"""There was no room."""
OFF = "archive_off"
"""Nothing is archived here."""
BEHIND = "archive_behind"
"""The disk or the store failed until too many bytes were waiting."""
RETENTION = "retention"
"""The stream had lost the bytes before they could be read again."""


class OffArchive:
    """An archive that keeps nothing: every row says `archive_off`, and nothing waits for bytes."""

    def __init__(self) -> None:
        self._pending = Pending()
        self._epochs: dict[int, int] = {}
        self._number = 0

    def restore(self, claim: Claim) -> None:
        """Take note of rows that an earlier archive left unsealed."""
        self._epochs[claim.partition] = claim.epoch
        self._pending.restore(claim, 0.0)

    def forget(self) -> None:
        """Drop all that is held in memory."""
        self._pending.forget()
        self._epochs.clear()

    def refill(self, events: Sequence[Event]) -> None:
        """Let the bytes go."""

    def put(
        self, windows: Sequence[Window], late: Sequence[Untaken], ready: Collection[int]
    ) -> Sequence[Shard]:
        """Give the rows of every ready partition up at once."""
        for window in windows:
            self._pending.hold_window(window, 0.0)
        for untaken in late:
            self._pending.hold_late(untaken, 0.0)
        shards = []
        for partition in self._pending.partitions():
            if partition in ready:
                rows = self._pending.rows(partition)
                self._pending.drop(partition)
                self._number += 1
                epoch = self._epochs.get(partition, 0)
                name = ShardName.of(rows, partition, epoch, self._number)
                shards.append(lost_shard(name, rows, OFF))
        return shards

    def read(self, evidence: Sequence[Evidence]) -> Sequence[Media | Failed]:
        """Return that there is nothing."""
        return [missing(item, None, OFF) for item in evidence]


def lost_shard(name: ShardName, rows: Sequence[HeldRow], why: str) -> Shard:
    """Return what the record is told of rows whose evidence is given up."""
    return Shard(
        id=name.id,
        partition=name.partition,
        epoch=name.epoch,
        rows=tuple(row.row for row in rows),
        uri=None,
        bytes=0,
        lost=why,
    )


def missing(item: Evidence, trouble: str | None, reason: str = "evidence_missing") -> Failed:
    """Return why an item's bytes can't be given."""
    key = WindowKey("", "", item.time)
    if trouble is not None:
        return Failed(key, item.time, "archive", "evidence_unreadable", trouble)
    return Failed(key, item.time, "archive", reason, f"no shard holds {item.position.item}")
