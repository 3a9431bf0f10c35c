"""What is made of events: windows with their evidence, and the gaps between."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    order of (time, source, id); `missing` names the awaited sources that gave it nothing."""

    key: WindowKey
    end: datetime
    partition: int
    cut: Mapping[str, int]
    items: tuple[Event, ...]
    missing: tuple[str, ...] = ()
    closed_by: Closing = Closing.WATERMARK
    blind: bool = False
    evidence_lost: str | None = None

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What its row will name."""
        return tuple(Evidence(e.source, e.id, e.time, e.modality, e.position) for e in self.items)

    def without(self, positions: frozenset[Position]) -> "Window":
        """Return this window less the items at `positions`; blind where nothing is left."""
        kept = tuple(item for item in self.items if item.position not in positions)
        if len(kept) == len(self.items):
            return self
        return replace(self, items=kept, blind=not kept)


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
