"""The Parquet archive by itself: open to others, whole after trouble, bounded in bytes."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO

import pyarrow.parquet as pq
import pytest
from typing_extensions import override

from mmindustry.domain import Claim, Event, Evidence, Failed, Frame, Media, Modality, Shard, Untaken
from mmindustry.errors import StoreError
from mmindustry.store.archive import ShardArchive, open_archive, open_storage
from mmindustry.store.loss import OffArchive
from mmindustry.store.policy import ArchivePolicy
from mmindustry.store.shards import ShardName
from mmindustry.store.storage import LocalStorage, ShardStorage
from mmindustry.testing import BEGINNING, HandClock, make_event, make_window

CLAIM = Claim(partition=0, epoch=7, progress=None)


def all_named(ids: Collection[str]) -> Collection[str]:
    return ids


def archive_at(storage: ShardStorage, clock: HandClock, **policy: int) -> ShardArchive:
    limits = ArchivePolicy(**{"free_bytes": 0, **policy})  # type: ignore[arg-type]  # all are int
    archive = ShardArchive(storage, limits, clock=clock, named=all_named)
    archive.restore(CLAIM)
    return archive


def of(*events: Event) -> list[Evidence]:
    return [Evidence(e.source, e.id, e.time, e.modality, e.position) for e in events]


def sealed(archive: ShardArchive, clock: HandClock, *events: Event, start: float = 0) -> Shard:
    archive.put([make_window(events, start=start)], (), (0,))
    clock.crank(61)
    (shard,) = archive.put((), (), (0,))
    return shard


def test_a_shard_opens_without_mmindustry(tmp_path: Path) -> None:
    clock = HandClock()
    archive = archive_at(LocalStorage(tmp_path), clock)
    frame = make_event(at=1.5, offset=3, payload=b"\xff\xd8jpeg")
    sound = make_event(Modality.AUDIO, 2, offset=4, payload=b"RIFFwav")
    window = make_window([frame, sound])
    archive.put([window], [Untaken(frame, "tumbling-10s", (BEGINNING,))], (0,))
    clock.crank(61)

    (shard,) = archive.put((), (), (0,))

    assert shard.uri is not None
    file = tmp_path / shard.uri
    assert (file.stat().st_size, sha256(file.read_bytes()).hexdigest()) == (
        shard.bytes,
        shard.sha256,
    )
    on_time, late = pq.read_table(file).to_pylist()
    assert on_time == {
        "window_id": window.key.id,
        "asset": window.key.asset,
        "policy": window.key.policy,
        "start": BEGINNING,
        "end": window.end,
        "revision": 0,
        "late": False,
        "items": [
            {
                "source": event.source,
                "id": event.id,
                "time": event.time,
                "modality": event.modality.value,
                "content_type": content_type,
                "topic": event.position.topic,
                "partition": 0,
                "offset": event.position.offset,
                "bytes": payload,
            }
            for event, content_type, payload in (
                (frame, "image/jpeg", b"\xff\xd8jpeg"),
                (sound, "audio/wav", b"RIFFwav"),
            )
        ],
    }
    assert (late["late"], late["end"], late["items"][0]["offset"]) == (True, None, 3)


def test_media_are_not_packed_twice_and_row_groups_are_small(tmp_path: Path) -> None:
    clock = HandClock()
    archive = archive_at(LocalStorage(tmp_path), clock)
    payload = os.urandom(600_000)
    events = [make_event(at=10 * n, offset=n, payload=payload) for n in range(6)]
    archive.put([make_window([e], start=10.0 * n) for n, e in enumerate(events)], (), (0,))
    clock.crank(61)

    (shard,) = archive.put((), (), (0,))

    assert shard.uri is not None
    told = pq.read_metadata(tmp_path / shard.uri)
    assert (told.num_rows, told.num_row_groups) == (6, 3)
    columns = {told.row_group(0).column(n).path_in_schema: n for n in range(told.num_columns)}
    media = told.row_group(0).column(columns["items.list.element.bytes"])
    assert media.compression == "UNCOMPRESSED"
    assert shard.bytes < 6 * 600_000 * 1.01
    assert archive.read(of(events[4])) == [Media("image/jpeg", payload)]


def test_a_name_tells_partition_epoch_and_span(tmp_path: Path) -> None:
    clock = HandClock()
    archive = archive_at(LocalStorage(tmp_path), clock)

    shard = sealed(archive, clock, make_event(at=1, offset=1), make_event(at=8.25, offset=2))

    assert shard.uri is not None
    name = ShardName.parse(shard.uri)
    assert name is not None
    assert (name.id, name.path, name.partition, name.epoch) == (shard.id, shard.uri, 0, 7)
    assert (name.first, name.last) == (
        BEGINNING + timedelta(seconds=1),
        BEGINNING + timedelta(seconds=8.25),
    )
    assert ShardName.parse("p00000/2026-01-05/notes.txt") is None


def test_a_full_partition_is_sealed_before_its_time(tmp_path: Path) -> None:
    archive = archive_at(LocalStorage(tmp_path), HandClock(), shard_bytes=2048)
    small = make_window([make_event(offset=1, payload=b"x" * 1000)])
    large = make_window([make_event(at=12, offset=2, payload=b"x" * 1100)], start=10)

    assert archive.put([small], (), (0,)) == []
    assert [len(shard.rows) for shard in archive.put([large], (), (0,))] == [2]


def test_too_many_held_bytes_seal_the_fullest_partition(tmp_path: Path) -> None:
    archive = archive_at(LocalStorage(tmp_path), HandClock(), shard_bytes=10_000, held_bytes=10_000)
    less, more = (
        make_window([make_event(partition=partition, payload=b"x" * size)])
        for partition, size in ((1, 4_000), (2, 7_000))
    )

    shards = archive.put([less, more], (), (1, 2))

    assert [shard.partition for shard in shards] == [2]


class FailingStorage(LocalStorage):
    """A folder whose next writes fail after some bytes, as a full or broken disk does."""

    failures: Iterator[int] = iter(())

    @override
    def write(self, name: str, fill: Callable[[IO[bytes]], None]) -> None:
        code = next(self.failures, None)
        if code is None:
            super().write(name, fill)
            return

        def torn(sink: IO[bytes]) -> None:
            sink.write(b"PAR1half")
            raise OSError(code, os.strerror(code))

        super().write(name, torn)


def test_a_full_disk_is_a_named_loss_and_the_line_goes_on(tmp_path: Path) -> None:
    clock, storage = HandClock(), FailingStorage(tmp_path)
    storage.failures = iter((errno.ENOSPC,))
    archive = archive_at(storage, clock)
    first, second = make_event(offset=1), make_event(at=12, offset=2)

    lost = sealed(archive, clock, first)
    kept = sealed(archive, clock, second, start=10)

    assert (lost.lost, lost.uri, lost.bytes) == ("archive_full", None, 0)
    assert kept.lost is None
    assert lost.id != kept.id
    assert len([*tmp_path.rglob("*.parquet*")]) == 1
    assert [type(found) for found in archive.read(of(first, second))] == [Failed, Media]


def test_the_last_free_bytes_are_left_alone(tmp_path: Path) -> None:
    clock = HandClock()
    archive = archive_at(LocalStorage(tmp_path), clock, free_bytes=1 << 60)

    shard = sealed(archive, clock, make_event())

    assert shard.lost == "archive_full"
    assert "left alone" in archive.trouble


def test_a_failing_disk_is_tried_again_and_nothing_is_lost(tmp_path: Path) -> None:
    clock, storage = HandClock(), FailingStorage(tmp_path)
    storage.failures = iter((errno.EIO,))
    archive = archive_at(storage, clock)
    archive.put([make_window([make_event()])], (), (0,))
    clock.crank(61)

    assert archive.put((), (), (0,)) == []
    assert archive.trouble
    assert archive.put((), (), (0,)) == []
    clock.crank(5)
    (shard,) = archive.put((), (), (0,))
    assert shard.lost is None
    assert not archive.trouble


def test_a_disk_that_keeps_failing_costs_evidence_before_memory(tmp_path: Path) -> None:
    clock, storage = HandClock(), FailingStorage(tmp_path)
    storage.failures = iter([errno.EIO] * 99)
    archive = archive_at(storage, clock, shard_bytes=1024, held_bytes=2048)
    window = make_window([make_event(payload=b"x" * 1500)])
    more = make_window([make_event(at=12, offset=2, payload=b"x" * 1500)], start=10)

    assert archive.put([window], (), (0,)) == []
    (shard,) = archive.put([more], (), (0,))

    assert (shard.lost, len(shard.rows)) == ("archive_behind", 2)


def test_a_file_size_limit_of_the_system_is_a_named_loss(tmp_path: Path) -> None:
    program = f"""
import resource
from tests.unit.store.test_archive import *
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
clock = HandClock()
archive = archive_at(LocalStorage(Path({str(tmp_path)!r})), clock)
print(sealed(archive, clock, make_event(payload=bytes(99_999))).lost)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.stdout.strip() == "archive_full", done.stderr


def test_a_claim_sweeps_what_a_killed_writer_left(tmp_path: Path) -> None:
    clock = HandClock()
    archive = archive_at(LocalStorage(tmp_path), clock)
    shard = sealed(archive, clock, make_event())
    assert shard.uri is not None
    partial = (tmp_path / shard.uri).with_name("p00000-torn.parquet.partial")
    partial.write_bytes(b"PAR1")

    archive.restore(CLAIM)

    assert not partial.exists()
    assert (tmp_path / shard.uri).exists()


@pytest.mark.parametrize("damage", ["cut", "footer", "media", "gone"])
def test_a_damaged_shard_costs_its_own_items_only(tmp_path: Path, damage: str) -> None:
    clock = HandClock()
    archive = archive_at(LocalStorage(tmp_path), clock)
    hurt, whole = make_event(offset=1), make_event(at=12, offset=2)
    shard = sealed(archive, clock, hurt)
    sealed(archive, clock, whole, start=10)
    assert shard.uri is not None
    file = tmp_path / shard.uri
    written = file.read_bytes()
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(written[:100])
    elif damage == "footer":
        file.write_bytes(written[:-40] + b"\xff" * 32 + written[-8:])
    else:
        file.write_bytes(written.replace(b"x" * 10, b"xxxxXxxxxx"))

    lost, found = archive.read(of(hurt, whole))

    assert isinstance(lost, Failed)
    assert lost.reason in ("evidence_unreadable", "evidence_missing")
    assert isinstance(found, Media)


def test_offsets_of_a_new_log_are_not_taken_for_old_ones(tmp_path: Path) -> None:
    clock = HandClock()
    archive = archive_at(LocalStorage(tmp_path), clock)
    old, new = (make_event(offset=1, id=name, payload=name.encode()) for name in ("old", "new"))

    for event in (old, new):
        sealed(archive, clock, event)

    assert archive.read(of(new, old)) == [
        Media("image/jpeg", b"new"),
        Media("image/jpeg", b"old"),
    ]


def test_a_second_pair_of_hands_finds_new_shards(tmp_path: Path) -> None:
    clock = HandClock()
    worker = archive_at(LocalStorage(tmp_path), clock)
    dashboard = ShardArchive(LocalStorage(tmp_path), ArchivePolicy(), clock=clock, named=all_named)
    first, second = make_event(offset=1), make_event(at=3, offset=2)
    sealed(worker, clock, first)
    dashboard.read(of(first))

    sealed(worker, clock, second)

    assert isinstance(dashboard.read(of(second))[0], Media)


def test_a_shard_past_its_retention_is_deleted(tmp_path: Path) -> None:
    clock = HandClock()
    archive = archive_at(LocalStorage(tmp_path), clock)
    event = make_event()
    shard = sealed(archive, clock, event)
    assert shard.uri is not None

    archive.delete([shard.uri])
    archive.delete([shard.uri])

    assert isinstance(archive.read(of(event))[0], Failed)


def test_an_archive_that_is_off_says_so_of_every_row() -> None:
    archive = OffArchive()
    archive.restore(CLAIM)
    event = make_event()

    (shard,) = archive.put([make_window([event])], (), (0,))

    assert (shard.lost, shard.uri, shard.epoch) == ("archive_off", None, 7)
    (missing,) = archive.read(of(event))
    assert isinstance(missing, Failed)
    assert missing.reason == "archive_off"


def test_the_url_says_which_archive(tmp_path: Path) -> None:
    clock = HandClock()

    off = open_archive(ArchivePolicy(url="off"), clock=clock, named=all_named)
    local = open_archive(ArchivePolicy(url=str(tmp_path)), clock=clock, named=all_named)

    assert isinstance(off, OffArchive)
    assert isinstance(local, ShardArchive)
    assert isinstance(open_storage(f"file://{tmp_path}"), LocalStorage)
    with pytest.raises(StoreError, match="nonsense://"):
        open_storage("nonsense://bucket")


def test_an_object_store_keeps_shards_like_a_folder() -> None:
    objects = pytest.importorskip("mmindustry.store.objects")
    clock = HandClock()
    archive = archive_at(objects.ObjectStorage.from_url("memory://"), clock)
    events = [make_event(at=n, offset=n, payload=os.urandom(200_000)) for n in range(9)]

    shard = sealed(archive, clock, *events)

    assert shard.uri is not None
    payloads = [event.content.payload for event in events if isinstance(event.content, Frame)]
    assert archive.read(of(*events)) == [Media("image/jpeg", payload) for payload in payloads]
    archive.delete([shard.uri])
    archive.delete([shard.uri])
    assert all(isinstance(found, Failed) for found in archive.read(of(*events)))


@pytest.mark.parametrize(
    "changes",
    [{"url": ""}, {"shard_bytes": 1}, {"shard_seconds": -1}, {"held_bytes": 5}, {"free_bytes": -1}],
    ids=str,
)
def test_a_policy_out_of_range_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|empty"):
        ArchivePolicy(**changes)  # type: ignore[arg-type]  # wrong on purpose
