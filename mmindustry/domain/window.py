"""What is made of events: windows with their evidence, and the gaps between."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from mmindustry.domain.event import Event, Modality, Position


class Evidence(NamedTuple):
    """What a row keeps of an event: enough to find its bytes again."""

    source: str
    id: str
    time: datetime
    modality: Modality
    position: Position


class LastPicture(NamedTuple):
    """The newest frame of a camera in a closed window: its time, BLAKE2b of its bytes (hex)."""

    time: datetime
    digest: str


class WindowKey(NamedTuple):
    """What names a row for ever; `revision` 0 is the first, live judgement."""

    asset: str
    policy: str
    start: datetime
    revision: int = 0

    @property
    def id(self) -> str:
        """32 hex digits: BLAKE2b of the four parts."""
        text = f"{self.asset}\n{self.policy}\n{self.start.isoformat()}\n{self.revision}"
        return blake2b(text.encode(), digest_size=16).hexdigest()


class Closing(StrEnum):
    """What closed a window."""

    WATERMARK = "watermark"
    WAITING = "waiting"
    MEMORY = "memory"
    REVISION = "revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A closed window with its bytes. `cut`: topic -> `read_through` of its step; `items` stand in
    order of (time, source, id); `missing` names the awaited sources that gave it nothing; `struck`
    names items that turned out unreadable: the row remembers them, they are no evidence; `frozen`
    names cameras that showed nothing but the last picture of the window before (not in the row:
    the prediction says it); `pictures`: camera -> what it last showed, this window included, by
    which a revision knows the same."""

    key: WindowKey
    end: datetime
    partition: int
    cut: Mapping[str, int]
    items: tuple[Event, ...]
    missing: tuple[str, ...] = ()
    closed_by: Closing = Closing.WATERMARK
    blind: bool = False
    evidence_lost: str | None = None
    struck: tuple[Evidence, ...] = ()
    frozen: tuple[str, ...] = ()
    pictures: Mapping[str, LastPicture] = field(default_factory=dict)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What its row will name."""
        return tuple(_evidence(item) for item in self.items)

    def without(self, positions: frozenset[Position]) -> "Window":
        """Return this window with the items at `positions` struck; blind where none is left."""
        kept = tuple(item for item in self.items if item.position not in positions)
        if len(kept) == len(self.items):
            return self
        struck = tuple(_evidence(item) for item in self.items if item.position in positions)
        return replace(self, items=kept, struck=(*self.struck, *struck), blind=not kept)


def _evidence(item: Event) -> Evidence:
    return Evidence(item.source, item.id, item.time, item.modality, item.position)


@dataclass(frozen=True, slots=True)
class Untaken:
    """An event that no open window takes: text, a state, or media late for the closed windows
    that begin at `late_for` (it may stand in open ones besides)."""

    event: Event
    policy: str
    late_for: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Fresh:
    """What `Recorder.unknown` leaves: late media, entries, states; and the duplicates."""

    late: tuple[Untaken, ...] = ()
    entries: tuple[Event, ...] = ()
    states: tuple[Event, ...] = ()
    duplicates: tuple[Event, ...] = ()


class GapKind(StrEnum):
    """Why a stretch has no data."""

    QUIET = "quiet"
    DATA = "data_gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Silence of a source, or offsets the stream lost. Key: (partition, asset, source, kind,
    started). `ended` None = still open. For DATA, `source` is the topic, asset "" and the offsets
    [first_offset, last_offset) are gone."""

    partition: int
    asset: str
    source: str
    kind: GapKind
    started: datetime
    ended: datetime | None = None
    first_offset: int | None = None
    last_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A window that could not be featured or predicted; recorded, never silently absent."""

    window: WindowKey
    end: datetime
    stage: str
    reason: str
    detail: str
    bundle: str = ""
