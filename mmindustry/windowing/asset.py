"""One asset's open windows, in memory between two steps."""

from dataclasses import dataclass, field
from datetime import datetime

from mmindustry.domain import AssemblyState, Closing, Event, Identity
from mmindustry.windowing.watermark import AssetTime


@dataclass(slots=True)
class OpenWindow:
    """A window that still takes events. `opened`: append time of its first event; `due`: what
    will close it, once that is known; `text`: text opened it; `lost`: why evidence is missing."""

    start: datetime
    end: datetime
    opened: datetime
    events: dict[Identity, Event] = field(default_factory=dict)
    due: Closing | None = None
    text: bool = False
    lost: str | None = None


@dataclass(slots=True)
class AssetMemory:
    """What is remembered of one asset while its partition is held."""

    asset: str
    partition: int
    time: AssetTime
    frontier: datetime | None = None
    windows: dict[datetime, OpenWindow] = field(default_factory=dict)

    def holds(self, identity: Identity, starts: list[datetime]) -> bool:
        """Return whether one of the open windows that begin at `starts` has the event."""
        return any(
            start in self.windows and identity in self.windows[start].events for start in starts
        )

    def closed(self, end: datetime) -> bool:
        """Return whether a window with this end can't be opened any more (law 2)."""
        return self.frontier is not None and end <= self.frontier

    def state(self, policy: str) -> AssemblyState:
        """Return what the record keeps of this asset."""
        return AssemblyState(
            asset=self.asset,
            partition=self.partition,
            policy=policy,
            frontier=self.frontier,
            watermark=self.time.watermark,
            sources=dict(self.time.sources),
            text_windows={w.start: w.opened for w in self.windows.values() if w.text},
        )
