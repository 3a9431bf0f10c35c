"""One shard: a Parquet file, one row a window, that opens without mmindustry.

Row groups are small, so that a single picture is read without the rest of the file. Media are
stored as they are: JPEG and FLAC gain nothing from a second compression.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from mmindustry.domain import Evidence, Media
from mmindustry.store.pending import HeldRow

SCHEMA_VERSION = "1"
_GROUP_BYTES = 1024 * 1024
_INSTANT = "%Y%m%dT%H%M%S%f"
_NAME = re.compile(
    r"p(?P<partition>\d{5})-e(?P<epoch>\d{6,})-n(?P<number>\d{6,})"
    r"-(?P<first>\d{8}T\d{12})-(?P<last>\d{8}T\d{12})-[0-9a-f]{12}"
)
_TIME = pa.timestamp("us", tz="UTC")
_ITEM = pa.struct(
    [
        ("source", pa.string()),
        ("id", pa.string()),
        ("time", _TIME),
        ("modality", pa.string()),
        ("content_type", pa.string()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("bytes", pa.large_binary()),
    ]
)
SCHEMA = pa.schema(
    [
        ("window_id", pa.string()),
        ("asset", pa.string()),
        ("policy", pa.string()),
        ("start", _TIME),
        ("end", _TIME),
        ("revision", pa.int32()),
        ("late", pa.bool_()),
        ("items", pa.list_(_ITEM)),
    ]
)
"""`end` is null in a row of late evidence: it may have missed windows of any length."""

_COLUMNS = [name for name in SCHEMA.names if name != "items"]
_LEAVES = [*_COLUMNS, *(f"items.list.element.{field.name}" for field in _ITEM)]
_BYTES = "items.list.element.bytes"
_WHERE = ["source", "id", "topic", "offset"]


@dataclass(frozen=True, slots=True)
class ShardName:
    """What a shard's file name tells: whose it is, and the span of its items' times."""

    id: str
    partition: int
    epoch: int
    first: datetime
    last: datetime

    @property
    def path(self) -> str:
        """Where it lies below the archive's root: partition, day of its first item, file."""
        return f"{partition_folder(self.partition)}/{self.first:%Y-%m-%d}/{self.id}.parquet"

    @classmethod
    def of(cls, rows: Sequence[HeldRow], partition: int, epoch: int, number: int) -> "ShardName":
        """Return the name of a shard made of `rows`: the same rows, the same name."""
        times = [item.time.astimezone(UTC) for row in rows for item in row.row.evidence]
        digest = hashlib.blake2b(digest_size=6)
        for row in rows:
            digest.update(f"{row.row.key.id} {row.row.late} {row.row.evidence}\n".encode())
        name = (
            f"p{partition:05d}-e{epoch:06d}-n{number:06d}-{min(times):{_INSTANT}}"
            f"-{max(times):{_INSTANT}}-{digest.hexdigest()}"
        )
        return cls(name, partition, epoch, min(times), max(times))

    @classmethod
    def parse(cls, path: str) -> "ShardName | None":
        """Return what a path below the root tells; None: it is no shard."""
        stem = path.rpartition("/")[2].removesuffix(".parquet")
        found = _NAME.fullmatch(stem)
        if found is None:
            return None
        first, last = (
            datetime.strptime(found[end], _INSTANT).replace(tzinfo=UTC) for end in ("first", "last")
        )
        return cls(stem, int(found["partition"]), int(found["epoch"]), first, last)


def partition_folder(partition: int) -> str:
    """Return the name of a partition's folder."""
    return f"p{partition:05d}"


class _Hashing:
    """A sink that counts and hashes what passes through."""

    closed = False

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self.digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: Any) -> int:
        """Pass `data` on."""
        view = memoryview(data)
        self._sink.write(view)
        self.digest.update(view)
        self.bytes += view.nbytes
        return view.nbytes

    def flush(self) -> None:
        """Do nothing: the storage syncs at the end."""

    def close(self) -> None:
        """Leave the sink open: it is the storage's."""
        self.closed = True

    @override
    def __repr__(self) -> str:
        return f"_Hashing({self.bytes} bytes)"


class Written(NamedTuple):
    """Size and SHA-256 of a shard that was written."""

    bytes: int
    sha256: str


def write_shard(sink: IO[bytes], rows: Sequence[HeldRow], name: ShardName) -> Written:
    """Write `rows`, each whole, as one Parquet file.

    Raises:
        OSError: The sink can't take it.
    """
    hashing = _Hashing(sink)
    told = {
        "mmindustry.schema": SCHEMA_VERSION,
        "mmindustry.shard": name.id,
        "mmindustry.partition": str(name.partition),
        "mmindustry.epoch": str(name.epoch),
    }
    with pq.ParquetWriter(
        hashing,
        SCHEMA.with_metadata(told),
        compression={leaf: "none" if leaf == _BYTES else "zstd" for leaf in _LEAVES},
        use_dictionary=[leaf for leaf in _LEAVES if leaf != _BYTES],
        write_statistics=[leaf for leaf in _LEAVES if leaf != _BYTES],
        write_page_checksum=True,
    ) as writer:
        for group in _groups(rows):
            writer.write_table(_table(group).cast(writer.schema))
    return Written(hashing.bytes, hashing.digest.hexdigest())


def _groups(rows: Iterable[HeldRow]) -> Iterable[list[HeldRow]]:
    """Cut rows into row groups of about a megabyte."""
    group: list[HeldRow] = []
    held = 0
    for row in rows:
        group.append(row)
        held += row.bytes
        if held >= _GROUP_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group


def _table(rows: Sequence[HeldRow]) -> pa.Table:
    """Return rows as Arrow columns."""
    keys = [row.row.key for row in rows]
    columns: dict[str, list[Any]] = {
        "window_id": [key.id for key in keys],
        "asset": [key.asset for key in keys],
        "policy": [key.policy for key in keys],
        "start": [key.start for key in keys],
        "end": [row.end for row in rows],
        "revision": [key.revision for key in keys],
        "late": [row.row.late for row in rows],
        "items": [[_item(item, row.media) for item in row.row.evidence] for row in rows],
    }
    return pa.table(columns, schema=SCHEMA)


def _item(item: Evidence, media: Mapping[Any, Media]) -> dict[str, object]:
    """Return one item of a row."""
    held = media[item.position]
    return {
        "source": item.source,
        "id": item.id,
        "time": item.time,
        "modality": item.modality.value,
        "content_type": held.content_type,
        "topic": item.position.topic,
        "partition": item.position.partition,
        "offset": item.position.offset,
        "bytes": held.payload,
    }


Wanted = tuple[str, int, str, str]
"""Topic, offset, source, id: offsets begin anew with a new log, names don't."""


def wanted(item: Evidence) -> Wanted:
    """Return what an item is looked up by."""
    return item.position.topic, item.position.offset, item.source, item.id


def read_items(file: IO[bytes], items: Iterable[Evidence]) -> dict[Wanted, Media]:
    """Return the media of those `items` that the shard holds.

    Raises:
        OSError: The file can't be read.
        pyarrow.ArrowException: It is no whole Parquet file.
    """
    sought = {wanted(item) for item in items}
    found: dict[Wanted, Media] = {}
    with pq.ParquetFile(file, page_checksum_verification=True) as shard:
        for group in range(shard.num_row_groups):
            missing = sought - found.keys()
            if not missing:
                break
            found.update(_read_group(shard, group, missing))
    return found


def _read_group(shard: pq.ParquetFile, group: int, sought: set[Wanted]) -> dict[Wanted, Media]:
    """Return the media of `sought` in one row group; bytes are read only where one is there."""
    names = [f"items.list.element.{name}" for name in _WHERE]
    places = shard.read_row_group(group, columns=names)["items"].combine_chunks().flatten()
    columns = [places.field(name).to_pylist() for name in ("topic", "offset", "source", "id")]
    here = {key: index for index, key in enumerate(zip(*columns, strict=True)) if key in sought}
    if not here:
        return {}
    media = shard.read_row_group(group, columns=[_BYTES, "items.list.element.content_type"])
    items = media["items"].combine_chunks().flatten()
    return {
        key: Media(items.field("content_type")[index].as_py(), items.field("bytes")[index].as_py())
        for key, index in here.items()
    }
