"""What every Archive promises, the fake and the real ones alike."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mmindustry.domain import (
    Claim,
    Event,
    Evidence,
    Failed,
    Media,
    Modality,
    ShardRow,
    Unsealed,
    Untaken,
    Window,
)
from mmindustry.ports import Archive
from mmindustry.store.archive import ShardArchive
from mmindustry.store.policy import ArchivePolicy
from mmindustry.store.storage import LocalStorage, ShardStorage
from mmindustry.testing import FakeArchive, FakeStorage, HandClock, make_event, make_window


@dataclass
class Bench:
    """An archive on trial: `open` gives a new worker's hands on the same storage."""

    open: Callable[[], Archive]
    due: Callable[[Archive], None]
    named: set[str] = field(default_factory=set)
    archive: Archive = field(init=False)

    def __post_init__(self) -> None:
        self.archive = self.open()

    def seal(self, *windows: Window, late: Sequence[Untaken] = ()) -> list[str]:
        """Put windows, let them become due, and return the shards' ids, all of them named."""
        kept = [*self.archive.put(windows, late, (0,))]
        self.due(self.archive)
        kept += self.archive.put((), (), (0,))
        self.named.update(shard.id for shard in kept)
        return [shard.id for shard in kept]


def fake() -> Bench:
    storage, named = FakeStorage(), set[str]()

    def due(archive: Archive) -> None:
        assert isinstance(archive, FakeArchive)
        archive.flush()

    return Bench(lambda: FakeArchive(storage, named.__contains__), due, named)


def real(storage: ShardStorage) -> Bench:
    named, clock = set[str](), HandClock()

    def known(ids: Collection[str]) -> Collection[str]:
        return named & set(ids)

    def open_archive() -> Archive:
        return ShardArchive(storage, ArchivePolicy(free_bytes=0), clock=clock, named=known)

    return Bench(open_archive, lambda _: clock.crank(61), named)


@pytest.fixture(params=["fake", "local", "objects"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        yield fake()
    elif request.param == "local":
        yield real(LocalStorage(tmp_path / "archive"))
    else:
        objects = pytest.importorskip("mmindustry.store.objects")
        yield real(objects.ObjectStorage.from_url("memory://"))


def claim(*unsealed: Unsealed, epoch: int = 1) -> Claim:
    return Claim(partition=0, epoch=epoch, progress=None, unsealed=unsealed)


def frame(offset: int, at: float = 0.0) -> Event:
    return make_event(at=at, offset=offset, payload=b"jpeg-%d" % offset)


def evidence(*events: Event) -> list[Evidence]:
    return [Evidence(e.source, e.id, e.time, e.modality, e.position) for e in events]


def unsealed(window: Window) -> Unsealed:
    row = ShardRow(key=window.key, late=False, evidence=window.evidence)
    return Unsealed(row=row, partition=window.partition, end=window.end)


def test_bytes_come_back_in_the_order_asked_with_their_type(bench: Bench) -> None:
    one, two = frame(1), make_event(Modality.AUDIO, 2, offset=2, payload=b"sound")
    bench.archive.restore(claim())

    bench.seal(make_window([one, two]))

    assert bench.archive.read(evidence(two, one)) == [
        Media("audio/wav", b"sound"),
        Media("image/jpeg", b"jpeg-1"),
    ]


def test_a_shard_names_its_rows_partition_and_epoch(bench: Bench) -> None:
    bench.archive.restore(claim(epoch=4))
    windows = [make_window([frame(1)]), make_window([frame(2, 12)], start=10)]

    bench.archive.put(windows, (), (0,))
    bench.due(bench.archive)
    (shard,) = bench.archive.put((), (), (0,))

    assert (shard.partition, shard.epoch, shard.lost) == (0, 4, None)
    assert [row.key for row in shard.rows] == [window.key for window in windows]
    assert [row.evidence for row in shard.rows] == [window.evidence for window in windows]
    assert shard.uri


def test_nothing_is_sealed_before_its_partition_is_ready(bench: Bench) -> None:
    bench.archive.restore(claim())
    bench.archive.put([make_window([frame(1)])], (), ())
    bench.due(bench.archive)

    assert bench.archive.put((), (), ()) == []
    bench.due(bench.archive)
    assert len(bench.archive.put((), (), (0,))) == 1


def test_a_row_is_sealed_once(bench: Bench) -> None:
    bench.archive.restore(claim())
    assert len(bench.seal(make_window([frame(1)]))) == 1

    assert bench.seal() == []


def test_a_window_without_items_needs_no_bytes(bench: Bench) -> None:
    bench.archive.restore(claim())

    assert bench.seal(make_window([])) == []


def test_late_evidence_is_a_row_of_its_own(bench: Bench) -> None:
    event, window = frame(9, 3), make_window([frame(1)])
    bench.archive.restore(claim())
    bench.archive.put((), [Untaken(event, "tumbling-10s", (window.key.start,))], (0,))
    bench.due(bench.archive)

    (shard,) = bench.archive.put((), (), (0,))

    assert [(row.late, row.key) for row in shard.rows] == [(True, window.key)]
    assert bench.archive.read(evidence(event)) == [Media("image/jpeg", b"jpeg-9")]


def test_a_new_worker_seals_what_the_last_left_unsealed(bench: Bench) -> None:
    event = frame(1)
    window = make_window([event])
    bench.archive.restore(claim())
    bench.archive.put([window], (), (0,))
    successor = bench.archive = bench.open()

    successor.restore(claim(unsealed(window), epoch=2))
    successor.refill([replace(event, seen=True)])
    (shard,) = bench.seal()

    assert successor.read(evidence(event)) == [Media("image/jpeg", b"jpeg-1")]
    assert shard in bench.named


def test_bytes_that_never_come_back_are_lost_by_name(bench: Bench) -> None:
    there, gone = frame(1), frame(2, 12)
    windows = [make_window([there]), make_window([gone], start=10)]
    bench.archive.restore(claim(*map(unsealed, windows), epoch=2))
    bench.archive.refill([there])
    bench.due(bench.archive)

    shards = bench.archive.put((), (), (0,))

    assert {shard.rows[0].key: shard.lost for shard in shards} == {
        windows[0].key: None,
        windows[1].key: "retention",
    }
    assert [shard.uri is None for shard in shards] == [shard.lost is not None for shard in shards]


def test_forgetting_drops_what_is_not_sealed(bench: Bench) -> None:
    bench.archive.restore(claim())
    bench.archive.put([make_window([frame(1)])], (), (0,))

    bench.archive.forget()

    assert bench.seal() == []


def test_a_claim_deletes_what_no_record_names(bench: Bench) -> None:
    kept, unnamed = frame(1), frame(2, 12)
    bench.archive.restore(claim())
    bench.seal(make_window([kept]))
    (orphan,) = bench.seal(make_window([unnamed], start=10))
    bench.named.discard(orphan)

    bench.archive.forget()
    bench.archive.restore(claim(epoch=2))

    found, lost = bench.archive.read(evidence(kept, unnamed))
    assert found == Media("image/jpeg", b"jpeg-1")
    assert isinstance(lost, Failed)
    assert (lost.stage, lost.reason) == ("archive", "evidence_missing")


def test_a_claim_leaves_the_shards_of_its_own_epoch(bench: Bench) -> None:
    event = frame(1)
    bench.archive.restore(claim(epoch=3))
    bench.seal(make_window([event]))
    bench.named.clear()

    bench.open().restore(claim(epoch=3))

    assert bench.archive.read(evidence(event)) == [Media("image/jpeg", b"jpeg-1")]
