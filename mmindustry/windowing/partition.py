"""The open windows of one partition: what comes in and what closes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mmindustry.domain import (
    Arrival,
    Claim,
    Closing,
    Event,
    Fresh,
    Gap,
    Sensor,
    Untaken,
    Window,
    WindowKey,
)
from mmindustry.windowing.asset import AssetMemory, OpenWindow
from mmindustry.windowing.assign import covering_starts
from mmindustry.windowing.holdings import Holdings
from mmindustry.windowing.pictures import note_pictures
from mmindustry.windowing.policy import WindowPolicy
from mmindustry.windowing.schedule import Schedule, ready_clock
from mmindustry.windowing.silence import Silence
from mmindustry.windowing.watermark import MEDIA, AssetTime, Strays


@dataclass(frozen=True, slots=True)
class _Spans:
    length: timedelta
    hop: timedelta
    grace: timedelta

    def starts(self, instant: datetime) -> list[datetime]:
        return covering_starts(instant, self.length, self.hop)


class PartitionMemory:
    """All that windowing remembers of one partition between two steps.

    Nothing here is durable: a claim rebuilds it from the record and the stream (commit rule 3).
    """

    def __init__(self, partition: int, policy: WindowPolicy) -> None:
        self._partition = partition
        self._policy = policy
        self._spans = _Spans(
            *(
                timedelta(seconds=seconds)
                for seconds in (policy.length_seconds, policy.hop_seconds, policy.grace_seconds)
            )
        )
        wait = timedelta(seconds=policy.length_seconds + policy.max_wait_seconds)
        self._strays = Strays(timedelta(seconds=policy.stray_after_seconds), policy.most_strays)
        self._schedule = Schedule(wait)
        self._silence = Silence(partition, timedelta(seconds=policy.quiet_after_seconds))
        self._stirred: set[str] = set()
        self._changed: set[str] = set()
        self._lost: str | None = None
        self._settled = False
        self.more = False
        self.holdings = Holdings(partition)
        self.assets: dict[str, AssetMemory] = {}

    def restore(self, claim: Claim) -> None:
        """Begin from what the record knows."""
        self.holdings.restore(claim)
        for state in claim.assets:
            memory = self._asset(state.asset)
            memory.frontier = state.frontier
            memory.time.watermark = state.watermark
            memory.time.sources = dict(state.sources)
            for start, opened in state.text_windows.items():
                self._open(memory, start, opened).text = True
        self.register(claim.sensors)

    def register(self, sensors: Iterable[Sensor]) -> None:
        """Take the registry's newest word for this partition's assets."""
        by_asset: dict[str, list[Sensor]] = {}
        for sensor in sensors:
            by_asset.setdefault(sensor.asset, []).append(sensor)
        for asset in {*by_asset, *self.assets}:
            self._asset(asset).time.register(by_asset.get(asset, ()))
            self._stirred.add(asset)
            self._silence.stir(asset)

    def add(self, event: Event) -> Untaken | None:
        """Put an event into its open windows, or return what no open window takes.

        What a window holds already says nothing new: it is no sign of life of its source.
        """
        if event.modality not in MEDIA:
            return None if event.seen else Untaken(event, self._policy.name)
        memory = self._asset(event.asset)
        starts = self._spans.starts(event.time)
        closed = tuple(s for s in starts if memory.closed(s + self._spans.length))
        if event.seen:
            self.holdings.returned(event)
        if memory.holds(event.identity, starts):
            if not event.seen:
                self.holdings.drop(event.modality, "duplicate")
            return None
        if closed and not event.seen:
            return Untaken(event, self._policy.name, closed)
        if not event.seen:
            self._hear(memory, event)
        self._place(memory, event, [s for s in starts if s not in closed], named=bool(closed))
        return None

    def admit(self, fresh: Fresh) -> None:
        """Take in what the record did not know: late media, and entries that open windows."""
        for event in fresh.duplicates:
            self.holdings.drop(event.modality, "duplicate")
        for late in fresh.late:
            event = late.event
            self._hear(self._asset(event.asset), event)
            self.holdings.late(event)
            still = [s for s in self._spans.starts(event.time) if s not in late.late_for]
            self._place(self._asset(event.asset), event, still, named=True)
        for entry in fresh.entries:
            self._open_by_text(entry)

    def _open_by_text(self, entry: Event) -> None:
        memory = self._asset(entry.asset)
        self._changed.add(entry.asset)
        if not memory.time.waits_for_nobody(entry.time):
            return
        for start in self._spans.starts(entry.end):
            if start not in memory.windows and not memory.closed(start + self._spans.length):
                self._open(memory, start, entry.append_time).text = True

    def _place(
        self, memory: AssetMemory, event: Event, starts: list[datetime], *, named: bool
    ) -> None:
        for start in starts:
            window = memory.windows.get(start)
            if window is None:
                window = self._open(memory, start, event.append_time)
            window.events[event.identity] = event
            self.holdings.open(event, named=named)

    def _open(self, memory: AssetMemory, start: datetime, opened: datetime) -> OpenWindow:
        window = OpenWindow(start, start + self._spans.length, opened)
        memory.windows[start] = window
        self._schedule.opened(memory, window)
        self._stirred.add(memory.asset)
        return window

    def _hear(self, memory: AssetMemory, event: Event) -> None:
        before = memory.time.sources.get(event.source)
        expects = memory.time.hear(event, memory.frontier)
        self._silence.heard(memory, event, before, expects=expects)
        memory.time.advance()
        self._stirred.add(memory.asset)
        self._changed.add(memory.asset)

    def _asset(self, asset: str) -> AssetMemory:
        memory = self.assets.get(asset)
        if memory is None:
            spans = self._spans
            time = AssetTime(length=spans.length, grace=spans.grace, strays=self._strays)
            memory = self.assets[asset] = AssetMemory(asset, self._partition, time)
        return memory

    def close(self, arrival: Arrival | None, limit: int) -> Iterator[Window]:
        """Yield at most `limit` windows that are due, an asset's in order of their ends."""
        self.more = False
        clock = ready_clock(arrival)
        if clock is None or arrival is None:
            return
        self._settle()
        left = limit
        while self._mark_due(clock):
            for memory, window in self._schedule.take(self.assets):
                yield self._shut(memory, window, arrival)
                left -= 1
                if not left:
                    self.more = True
                    return

    def _mark_due(self, clock: datetime) -> bool:
        for asset in self._stirred:
            self._schedule.ripen(self.assets[asset])
        self._stirred.clear()
        self._schedule.expire(clock, self.assets)
        if not self._schedule.pending and self._crowded():
            self._schedule.force(self.assets)
        return self._schedule.pending

    def _crowded(self) -> bool:
        return self.holdings.held.open_bytes * 2 > self._policy.budget_bytes

    def _settle(self) -> None:
        if self._settled:
            return
        self._settled = True
        if self.holdings.settle(lossy=self._lost is not None):
            for memory in self.assets.values():
                for window in memory.windows.values():
                    window.lost = self._lost

    def _shut(self, memory: AssetMemory, window: OpenWindow, arrival: Arrival) -> Window:
        del memory.windows[window.start]
        memory.frontier = max(memory.frontier or window.end, window.end)
        reason = _reason(memory, window)
        if reason is Closing.WAITING:
            memory.time.set_aside(window.end)
            memory.time.advance()
        self._stirred.add(memory.asset)
        self._changed.add(memory.asset)
        events = window.events.values()
        items = tuple(sorted(events, key=lambda e: (e.time, e.source, e.id)))
        frozen, pictures = note_pictures(memory.time, items)
        closed = Window(
            key=WindowKey(memory.asset, self._policy.name, window.start),
            end=window.end,
            partition=self._partition,
            cut=dict(arrival.read_through),
            items=items,
            missing=memory.time.silent(items, opened=window.opened, end=window.end),
            closed_by=reason,
            evidence_lost=window.lost,
            frozen=frozen,
            pictures=pictures,
        )
        self.holdings.close(closed)
        return closed

    def gaps(self, arrival: Arrival | None) -> list[Gap]:
        """Return the gaps that ended, and those that began by the arrival clock."""
        clock = ready_clock(arrival)
        if clock is None:
            return []
        found = self._silence.find(clock, self.assets)
        self._changed.update(gap.asset for gap in found)
        return found

    def lose(self, gap: Gap) -> None:
        """Note that the stream lost offsets of this partition."""
        self._lost = f"retention: {gap.source} {gap.first_offset}..{gap.last_offset}"

    def take_changed(self) -> list[AssetMemory]:
        """Return, once, the assets whose state the record must keep anew."""
        changed = [self.assets[asset] for asset in sorted(self._changed)]
        self._changed.clear()
        return changed


def _reason(memory: AssetMemory, window: OpenWindow) -> Closing:
    """Return what closes a window now, whatever was to close it when it fell due.

    An earlier window of its asset may have let the watermark pass since; a worker that takes the
    partition over between the two knows nothing but that.
    """
    watermark = memory.time.watermark
    if window.due is None or (watermark is not None and window.end <= watermark):
        return Closing.WATERMARK
    return window.due
