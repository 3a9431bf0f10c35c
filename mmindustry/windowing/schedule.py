"""When windows fall due: heaps, so that no turn ever scans all assets."""

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta

from mmindustry.domain import Arrival, Closing
from mmindustry.windowing.asset import AssetMemory, OpenWindow

_Entry = tuple[datetime, str, datetime]


class Schedule:
    """Keeps, for one partition, what will close its windows and when.

    Entries are (moment, asset, start); an entry whose window is gone is passed over when met.
    """

    def __init__(self, wait: timedelta) -> None:
        self._wait = wait
        self._deadlines: list[_Entry] = []
        self._due: list[_Entry] = []

    def opened(self, memory: AssetMemory, window: OpenWindow) -> None:
        """Note a window just opened: it will wait so long and no longer."""
        entry = (window.opened + self._wait, memory.asset, window.start)
        heapq.heappush(self._deadlines, entry)

    def ripen(self, memory: AssetMemory) -> None:
        """Mark the windows that the asset's watermark has passed."""
        watermark = memory.time.watermark
        if watermark is None:
            return
        for window in memory.windows.values():
            if window.due is None and window.end <= watermark:
                self._mark(memory, window, Closing.WATERMARK)

    def expire(self, clock: datetime, assets: dict[str, AssetMemory]) -> None:
        """Mark the windows that have waited long enough by the arrival clock."""
        while self._deadlines and self._deadlines[0][0] <= clock:
            _, asset, start = heapq.heappop(self._deadlines)
            memory = assets[asset]
            window = memory.windows.get(start)
            if window is not None and window.opened + self._wait <= clock:
                self._mark_with_earlier(memory, window, Closing.WAITING)

    def force(self, assets: dict[str, AssetMemory]) -> bool:
        """Mark the earliest window of the asset whose window is open longest; False where none is.

        One at a time: whoever asks looks anew whether another is needed, as a worker does that
        takes the partition over in between and knows of no mark.
        """
        while self._deadlines:
            _, asset, start = self._deadlines[0]
            window = assets[asset].windows.get(start)
            if window is not None and window.due is None:
                waiting = (one for one in assets[asset].windows.values() if one.due is None)
                self._mark(assets[asset], min(waiting, key=lambda one: one.end), Closing.MEMORY)
                return True
            heapq.heappop(self._deadlines)
        return False

    def take(self, assets: dict[str, AssetMemory]) -> Iterator[tuple[AssetMemory, OpenWindow]]:
        """Yield the due windows, earliest ends first, as long as the caller asks."""
        while self._due:
            _, asset, start = heapq.heappop(self._due)
            window = assets[asset].windows.get(start)
            if window is not None:
                yield assets[asset], window

    @property
    def pending(self) -> bool:
        """Whether windows are due that no step has taken yet."""
        return bool(self._due)

    def _mark_with_earlier(self, memory: AssetMemory, window: OpenWindow, reason: Closing) -> None:
        for other in list(memory.windows.values()):
            if other.due is None and other.end <= window.end:
                self._mark(memory, other, reason)

    def _mark(self, memory: AssetMemory, window: OpenWindow, reason: Closing) -> None:
        window.due = reason
        heapq.heappush(self._due, (window.end, memory.asset, window.start))


def ready_clock(arrival: Arrival | None) -> datetime | None:
    """Return the arrival clock where the partition may close windows, else None (commit rule 3)."""
    return arrival.time if arrival is not None and arrival.ready else None
