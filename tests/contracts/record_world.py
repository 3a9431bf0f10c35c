"""A record on trial, reached through the Recorder port only, and what steps are made of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from mmindustry.domain import (
    AssemblyState,
    AssetCard,
    Claim,
    Event,
    Evidence,
    Progress,
    Shard,
    ShardRow,
    Step,
    TopicProgress,
    Untaken,
    Window,
    WindowKey,
)
from mmindustry.ports import Recorder
from mmindustry.store.database import Database, open_database
from mmindustry.store.policy import RecordPolicy, StorePolicy
from mmindustry.store.recorder import Line, SqlRecorder
from mmindustry.store.retry import Patience
from mmindustry.testing import ASSET, BEGINNING, FakeDatabase, FakeRecorder, HandClock
from tests.contracts.plants import register

POLICY = "tumbling-10s"


@dataclass
class World:
    """A database with its workers: `worker()` is a new one that knows nothing."""

    worker: Callable[[], Recorder]
    register: Callable[[str, AssetCard], None]
    close: Callable[[], None] = lambda: None
    ids: Iterator[int] = field(default_factory=count)
    recorder: Recorder = field(init=False)
    claim: Claim = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = self.worker()
        (self.claim,) = self.recorder.claim([0])

    def save(
        self, *windows: Window, late: Sequence[Untaken] = (), seal: bool = False, **more: object
    ) -> None:
        """Save one step of partition 0; with `seal`, all its evidence in one shard."""
        shards = (sealing(windows, late, number=next(self.ids)),) if seal else ()
        self.recorder.save(make_step(*windows, late=tuple(late), shards=shards, fields=more))

    def again(self) -> Claim:
        """Return what a new worker's claim of partition 0 finds."""
        (claim,) = self.worker().claim([0])
        return claim

    def window_keys(self) -> set[WindowKey]:
        """Return the keys of the windows whose evidence no shard holds."""
        return {one.row.key for one in self.again().unsealed if not one.row.late}


def fake_world() -> World:
    """Return a world over the shipped fake."""
    database = FakeDatabase()

    def note(asset: str, card: AssetCard) -> None:
        database.cards[asset] = card
        database.registered.add(asset)

    return World(lambda: FakeRecorder(database), note)


def sql_world(url: str, policy: RecordPolicy | None = None) -> World:
    """Return a world over a real database."""
    database = open_database(StorePolicy(url=url))
    return World(
        lambda: sql_recorder(database, policy or RecordPolicy()),
        lambda asset, card: register(database, asset, card),
        database.close,
    )


def sql_recorder(
    database: Database,
    policy: RecordPolicy,
    *,
    partitions: int = 1,
    clock: HandClock | None = None,
) -> SqlRecorder:
    """Return a new worker's hands on `database`, with no patience to speak of."""
    patience = Patience(
        keep=lambda: None,
        wait=lambda _: None,
        random=Random(0),
        policy=StorePolicy(retry_first_seconds=0.01, retry_most_seconds=0.1),
    )
    line = Line(partitions=partitions, default_bundle="fake")
    return SqlRecorder(database, line, policy, patience=patience, clock=clock or HandClock())


def make_progress(partition: int = 0, *, read: int = 0, in_flight: int = 0) -> Progress:
    """Return progress that has read so many frames."""
    topic = TopicProgress(topic_id="id-1", first=0, read_through=read, needed_from=0)
    return Progress(
        partition=partition,
        arrival=BEGINNING + timedelta(seconds=read),
        topics={"mm.frames": topic},
        received=read,
        in_flight=in_flight,
        dropped={"duplicate": 2},
    )


def make_step(
    *windows: Window,
    partition: int = 0,
    late: tuple[Untaken, ...] = (),
    shards: tuple[Shard, ...] = (),
    fields: Mapping[str, Any] | None = None,
) -> Step:
    """Return a step that commits `windows`, and what else is given."""
    step = Step(
        progress=(make_progress(partition),),
        assets=tuple(make_state(window.key.asset, window.end) for window in windows[-1:]),
        windows=windows,
        late=late,
        shards=shards,
    )
    return replace(step, **dict(fields or {}))


def make_state(
    asset: str = ASSET, frontier: datetime | None = None, partition: int = 0
) -> AssemblyState:
    """Return what windowing remembers of an asset."""
    return AssemblyState(
        asset=asset,
        partition=partition,
        policy=POLICY,
        frontier=frontier,
        watermark=frontier,
        sources={},
    )


def make_late(event: Event, *starts: float) -> Untaken:
    """Return an event that missed the windows that begin so many seconds after BEGINNING."""
    return Untaken(event, POLICY, tuple(BEGINNING + timedelta(seconds=s) for s in starts or (0.0,)))


def evidence_of(event: Event) -> Evidence:
    """Return what a row names of an event."""
    return Evidence(event.source, event.id, event.time, event.modality, event.position)


def sealing(
    windows: Sequence[Window], late: Sequence[Untaken] = (), *, number: int, lost: str | None = None
) -> Shard:
    """Return a shard that holds all the evidence of these, or says that it is lost."""
    rows = [ShardRow(key=w.key, late=False, evidence=w.evidence) for w in windows]
    for one in late:
        key = WindowKey(one.event.asset, one.policy, one.late_for[0])
        rows.append(ShardRow(key=key, late=True, evidence=(evidence_of(one.event),)))
    return Shard(
        id=f"shard-{number}",
        partition=0,
        epoch=1,
        rows=tuple(rows),
        uri=None if lost else f"archive/shard-{number}.parquet",
        bytes=10,
        lost=lost,
    )
