"""The archive of raw evidence: shards sealed when full or old, named by the record or deleted."""

import errno
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from mmindustry.clock import Clock
from mmindustry.domain import (
    Claim,
    Event,
    Evidence,
    Failed,
    Media,
    Shard,
    Untaken,
    Window,
)
from mmindustry.errors import MissingExtra
from mmindustry.ports import Archive
from mmindustry.store.loss import BEHIND, FULL, RETENTION, OffArchive, lost_shard, missing
from mmindustry.store.pending import HeldRow, Pending
from mmindustry.store.policy import ArchivePolicy
from mmindustry.store.shards import (
    ShardName,
    Wanted,
    Written,
    partition_folder,
    read_items,
    wanted,
    write_shard,
)
from mmindustry.store.storage import LocalStorage, ShardStorage, is_full

_ASKED = 500
"""Shard ids asked of the record at once."""

Named = Callable[[Collection[str]], Collection[str]]
"""Given shard ids, returns those that the record knows."""


def open_archive(policy: ArchivePolicy, *, clock: Clock, named: Named) -> Archive:
    """Return the archive that `policy.url` asks for: off, a folder, or an object store.

    Raises:
        MissingExtra: An object store without the extra `objects`.
        StoreError: A URL of no known kind.
    """
    if policy.url == "off":
        return OffArchive()
    return ShardArchive(open_storage(policy.url), policy, clock=clock, named=named)


def open_storage(url: str) -> ShardStorage:
    """Return the storage at `url`: `file://` and plain paths are local folders.

    Raises:
        MissingExtra: An object store without the extra `objects`.
        StoreError: A URL of no known kind.
    """
    if url.startswith("file://"):
        return LocalStorage(Path(url.removeprefix("file://")))
    if "://" not in url:
        return LocalStorage(Path(url))
    try:
        from mmindustry.store.objects import ObjectStorage  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{url}: install the extra `objects` (pip install 'mmindustry[objects]')"
        ) from error
    return ObjectStorage.from_url(url)


class ShardArchive:
    """The `Archive` port over Parquet shards. One worker's hands; not for several threads.

    A shard holds one partition and carries its epoch. It is sealed when it holds `shard_bytes`,
    when its oldest row has waited `shard_seconds`, or when all together exceed `held_bytes`.
    Where there is no room the rows are given up by name and the line goes on; where the disk
    fails otherwise they are kept and tried again, until the bytes are too many.
    """

    def __init__(
        self, storage: ShardStorage, policy: ArchivePolicy, *, clock: Clock, named: Named
    ) -> None:
        self._storage = storage
        self._policy = policy
        self._clock = clock
        self._named = named
        self._pending = Pending()
        self._epochs: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._again: float | None = None
        self.trouble: str = ""
        """Why the last shard could not be written; empty where it could."""

    def restore(self, claim: Claim) -> None:
        """Await the claim's unsealed rows; delete unnamed shards of older epochs."""
        self._epochs[claim.partition] = claim.epoch
        self._numbers[claim.partition] = 0
        self._pending.restore(claim, self._clock.monotonic())
        folder = partition_folder(claim.partition)
        if isinstance(self._storage, LocalStorage):
            self._storage.sweep(folder)
        older = [name for name in self._shards(claim.partition) if name.epoch < claim.epoch]
        for start in range(0, len(older), _ASKED):
            asked = older[start : start + _ASKED]
            known = set(self._named([name.id for name in asked]))
            for name in asked:
                if name.id not in known:
                    self._storage.delete(name.path)

    def forget(self) -> None:
        """Drop all that is held in memory."""
        self._pending.forget()
        self._epochs.clear()

    def refill(self, events: Sequence[Event]) -> None:
        """Take the bytes that restored rows await."""
        self._pending.refill(events)

    def put(
        self, windows: Sequence[Window], late: Sequence[Untaken], ready: Collection[int]
    ) -> Sequence[Shard]:
        """Hold the rows; return the shards that became durable, or were given up, just now."""
        now = self._clock.monotonic()
        for window in windows:
            self._pending.hold_window(window, now)
        for untaken in late:
            self._pending.hold_late(untaken, now)
        shards: list[Shard] = []
        for partition in self._pending.partitions():
            if partition in ready and self._is_due(partition, now):
                shards += self._seal(partition, now)
        return shards

    def _is_due(self, partition: int, now: float) -> bool:
        """Return whether a partition's rows must be sealed now."""
        since = self._pending.since(partition)
        if since is None or (self._again is not None and now < self._again and not self._is_over):
            return False
        return (
            self._is_over
            or self._pending.bytes_of(partition) >= self._policy.shard_bytes
            or now - since >= self._policy.shard_seconds
        )

    @property
    def _is_over(self) -> bool:
        return self._pending.bytes > self._policy.held_bytes

    def _seal(self, partition: int, now: float) -> list[Shard]:
        """Write a partition's whole rows; give the torn ones up."""
        rows = self._pending.rows(partition)
        whole = [row for row in rows if row.whole]
        shards: list[Shard] = []
        if whole:
            shard = self._write(whole, partition, now)
            if shard is None:
                return []
            shards.append(shard)
        torn = [row for row in rows if not row.whole]
        if torn:
            shards.append(lost_shard(self._next(torn, partition), torn, RETENTION))
        self._pending.drop(partition)
        return shards

    def _write(self, rows: Sequence[HeldRow], partition: int, now: float) -> Shard | None:
        """Return the shard that was written, or given up; None: try again later."""
        name = self._next(rows, partition)
        try:
            written = self._store(rows, name)
        except OSError as error:
            self.trouble = str(error)
            why = FULL if is_full(error) else BEHIND
            if why == BEHIND and not self._is_over:
                self._again = now + self._policy.retry_seconds
                return None
            return lost_shard(name, rows, why)
        self.trouble, self._again = "", None
        return Shard(
            id=name.id,
            partition=partition,
            epoch=name.epoch,
            rows=tuple(row.row for row in rows),
            uri=name.path,
            bytes=written.bytes,
            sha256=written.sha256,
        )

    def _store(self, rows: Sequence[HeldRow], name: ShardName) -> Written:
        """Write one shard, unless that would take the space that is left alone."""
        free = self._storage.free_bytes()
        if free is not None and free < self._policy.free_bytes:
            left = f"{free} bytes free, {self._policy.free_bytes} are left alone"
            raise OSError(errno.ENOSPC, left)
        written: list[Written] = []
        self._storage.write(name.path, lambda sink: written.append(write_shard(sink, rows, name)))
        return written[0]

    def _next(self, rows: Sequence[HeldRow], partition: int) -> ShardName:
        number = self._numbers[partition] = self._numbers.get(partition, 0) + 1
        return ShardName.of(rows, partition, self._epochs.get(partition, 0), number)

    def delete(self, uris: Iterable[str]) -> None:
        """Remove shards whose time of keeping is over, by the `uri` the record has of them."""
        for uri in uris:
            self._storage.delete(uri)

    def read(self, evidence: Sequence[Evidence]) -> Sequence[Media | Failed]:
        """Return the bytes of each item with their content type, in order, or why not."""
        found: dict[Wanted, Media] = {}
        trouble: dict[Wanted, str] = {}
        for name, items in self._places(evidence).items():
            sought = [item for item in items if wanted(item) not in found]
            try:
                with self._storage.open(name.path) as file:
                    found.update(read_items(file, sought))
            except (OSError, pa.ArrowException, KeyError) as error:
                trouble.update({wanted(item): f"{name.id}: {error!s:.200}" for item in sought})
        return [
            found.get(wanted(item)) or missing(item, trouble.get(wanted(item))) for item in evidence
        ]

    def _places(self, evidence: Sequence[Evidence]) -> dict[ShardName, list[Evidence]]:
        """Return the shards that may hold the items, by partition and time."""
        places: dict[ShardName, list[Evidence]] = {}
        for partition in sorted({item.position.partition for item in evidence}):
            mine = [item for item in evidence if item.position.partition == partition]
            for name in self._shards(partition):
                inside = [item for item in mine if name.first <= item.time <= name.last]
                if inside:
                    places[name] = inside
        return places

    def _shards(self, partition: int) -> list[ShardName]:
        parsed = map(ShardName.parse, self._storage.names(partition_folder(partition)))
        return [name for name in parsed if name is not None]
