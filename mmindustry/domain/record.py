"""What is written in one transaction, and what a claim gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mmindustry.domain.alarm import AlarmState, AlarmTransition
from mmindustry.domain.event import DeadLetter, Event, Modality
from mmindustry.domain.plant import Sensor
from mmindustry.domain.prediction import Prediction
from mmindustry.domain.window import (
    Evidence,
    Failed,
    Gap,
    LastPicture,
    Untaken,
    Window,
    WindowKey,
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a partition's reading stands after a poll.

    `time` is the arrival clock (None before the first message). `ready`: all its topics are back
    at `read_through`. `read_through`: topic -> offset of the next message to read; `skipped`:
    topic -> offsets the log lost before they were read, over all time; `topic_ids` and `first`
    (the offset where reading first began) are kept for the layout check and the ledger.
    """

    time: datetime | None
    ready: bool
    read_through: Mapping[str, int]
    skipped: Mapping[str, int] = field(default_factory=dict)
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicProgress:
    """One topic of a partition: `needed_from` <= `read_through`; `first` + counted = received."""

    topic_id: str
    first: int
    read_through: int
    needed_from: int
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A partition's progress after a step. `received` counts messages read once; `in_flight` the
    events that no row names yet; `dropped` reason -> count; all since the first step."""

    partition: int
    arrival: datetime | None
    topics: Mapping[str, TopicProgress]
    received: int = 0
    in_flight: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is remembered of a frame or sound source: its time (None = never heard), when it was
    last heard on the arrival clock, whether it is set aside, since when it is quiet, and since
    when it is expected (its asset spoke while it never had, or its quiet ended with its validity);
    of a camera, its last picture; when the newest of its items began (its time is when that ends:
    None = written by an older mmindustry)."""

    modality: Modality
    time: datetime | None = None
    heard: datetime | None = None
    set_aside: bool = False
    quiet_since: datetime | None = None
    expected: datetime | None = None
    picture: LastPicture | None = None
    began: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssemblyState:
    """What windowing remembers of one asset. `text_windows`: open windows that text opened,
    start -> the append time that opened them (they hold no bytes, so they live here)."""

    asset: str
    partition: int
    policy: str
    frontier: datetime | None
    watermark: datetime | None
    sources: Mapping[str, SourceState]
    text_windows: Mapping[datetime, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRow:
    """One row inside a shard: a window's evidence, or one late event (`late` True)."""

    key: WindowKey
    late: bool
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Evidence that became durable, or was given up: then `uri` is None and `lost` says why."""

    id: str
    partition: int
    epoch: int
    rows: tuple[ShardRow, ...]
    uri: str | None
    bytes: int
    sha256: str = ""
    lost: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsealed:
    """A committed row, or late entry, whose evidence no shard holds yet."""

    row: ShardRow
    partition: int
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the record knows of a partition at the moment it is taken over; `registered`: paths of
    its registered assets, whatever is known of their sensors."""

    partition: int
    epoch: int
    progress: Progress | None
    assets: tuple[AssemblyState, ...] = ()
    alarms: tuple[AlarmState, ...] = ()
    unsealed: tuple[Unsealed, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    registered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """All durable facts of one step, for one transaction.

    `unrevised`: windows whose late evidence no revision will take, and why (revisions only).
    `drops`: what this step dropped, by modality (None = not known any more) and reason; for the
    metrics, the record keeps the sums of `progress`.
    """

    progress: tuple[Progress, ...]
    assets: tuple[AssemblyState, ...] = ()
    entries: tuple[Event, ...] = ()
    states: tuple[Event, ...] = ()
    windows: tuple[Window, ...] = ()
    late: tuple[Untaken, ...] = ()
    gaps: tuple[Gap, ...] = ()
    predictions: tuple[Prediction | Failed, ...] = ()
    alarms: tuple[AlarmTransition, ...] = ()
    alarm_states: tuple[AlarmState, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = ()
    shards: tuple[Shard, ...] = ()
    unrevised: tuple[tuple[WindowKey, str], ...] = ()
    drops: Mapping[tuple[Modality | None, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisable:
    """A window with late evidence that no revision holds yet. `revision` is the one to insert,
    `cut` that of the first (or of now), `evidence` the whole of it. `missing` and `evidence_lost`
    are what the first said (None: it never was)."""

    key: WindowKey
    end: datetime
    partition: int
    cut: Mapping[str, int]
    evidence: tuple[Evidence, ...]
    late: tuple[Evidence, ...]
    missing: tuple[str, ...] | None = None
    evidence_lost: str | None = None
