"""An asset's event time: its sources' times, who is awaited, and the watermark they allow."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from mmindustry.domain import Event, Modality, Sensor, SourceState
from mmindustry.windowing.validity import EVER, Span, Validity

MEDIA = frozenset({Modality.IMAGE, Modality.AUDIO})
_AT_ONCE = timedelta(0)


class AssetTime:
    """The watermark of one asset: the lowest time of its awaited sources, less the grace.

    Guaranteed never to go back, over claims too: it is part of what the record keeps (law 1).
    """

    __slots__ = ("_grace", "_length", "_unheard", "_validity", "is_bounded", "sources", "watermark")

    def __init__(self, *, length: timedelta, grace: timedelta) -> None:
        self._length = length
        self._grace = grace
        self._validity: dict[str, Validity] = {}
        self._unheard: set[str] = set()
        self.sources: dict[str, SourceState] = {}
        self.is_bounded = False
        self.watermark: datetime | None = None

    def register(self, sensors: Iterable[Sensor]) -> None:
        """Take the registry's word, all its rows, for which frame and sound sources to expect."""
        rows: dict[str, list[Sensor]] = {}
        for sensor in sensors:
            if sensor.modality in MEDIA:
                rows.setdefault(sensor.source, []).append(sensor)
        self._validity = {source: Validity(mine) for source, mine in rows.items()}
        self.is_bounded = any(one.is_bounded for one in self._validity.values())
        for source, state in list(self.sources.items()):
            nothing_known = state.heard is None and state.quiet_since is None
            if nothing_known and source not in self._validity:
                del self.sources[source]
        for source, validity in self._validity.items():
            self.sources.setdefault(source, SourceState(validity.newest.modality))
        self._unheard = {
            source
            for source, state in self.sources.items()
            if state.heard is None and state.expected is None
        }

    def hear(self, event: Event, frontier: datetime | None) -> bool:
        """Move the source's time to the event's last instant.

        Returns:
            Whether registered sources that never spoke are expected from now on.
        """
        state = self.sources.get(event.source) or SourceState(event.modality)
        time = event.end if state.time is None else max(state.time, event.end)
        heard = event.append_time if state.heard is None else max(state.heard, event.append_time)
        aside = state.set_aside and frontier is not None and time <= frontier
        self.sources[event.source] = replace(
            state, time=time, heard=heard, set_aside=aside, quiet_since=None
        )
        self._unheard.discard(event.source)
        expected = bool(self._unheard)
        for source in self._unheard:
            self.sources[source] = replace(self.sources[source], expected=event.append_time)
        self._unheard.clear()
        return expected

    def now(self, clock: datetime) -> datetime | None:
        """Return how far the asset's event time is when the arrival clock shows `clock`.

        Since its newest item it is taken to run on as the clock does. None: nobody spoke yet.
        """
        times = [
            state.time + max(clock - state.heard, _AT_ONCE)
            for state in self.sources.values()
            if state.time is not None and state.heard is not None
        ]
        return max(times, default=None)

    def span(self, source: str, at: datetime) -> Span:
        """Return what the registry says of a source at an instant.

        A source it does not know is always valid once it has spoken.
        """
        validity = self._validity.get(source)
        if validity is not None:
            return validity.at(at)
        state = self.sources[source]
        spoke = Sensor(source=source, asset="", modality=state.modality)
        return Span(spoke if state.heard is not None else None, EVER, None)

    def awaited(self, source: str, state: SourceState, at: datetime | None) -> bool:
        """Return whether windows wait for this source, set aside or not, around the time `at`."""
        validity = self._validity.get(source)
        if validity is None:
            return state.heard is not None
        sensor = validity.newest if at is None else validity.at(at).sensor
        return sensor is not None and (sensor.every is None or sensor.every <= self._length)

    def holding(self) -> list[tuple[str, SourceState]]:
        """Return the awaited sources that are not set aside: those that hold the watermark."""
        at = self._newest()
        return [
            (source, state)
            for source, state in self.sources.items()
            if not state.set_aside and self.awaited(source, state, at)
        ]

    def waits_for_nobody(self, at: datetime) -> bool:
        """Return whether no source holds the watermark but those not valid at `at` nor after."""
        return all(
            source in self._validity and self._validity[source].is_over(at)
            for source, _ in self.holding()
        )

    def advance(self) -> datetime | None:
        """Move the watermark as far as the awaited sources allow, and return it."""
        lowest: datetime | None = None
        for _, state in self.holding():
            if state.time is None:
                return self.watermark
            if lowest is None or state.time < lowest:
                lowest = state.time
        if lowest is not None:
            reached = lowest - self._grace
            if self.watermark is None or reached > self.watermark:
                self.watermark = reached
        return self.watermark

    def set_aside(self, end: datetime) -> None:
        """Stop waiting for the sources that said nothing beyond `end`."""
        for source, state in self.holding():
            if state.time is None or state.time <= end:
                self.sources[source] = replace(state, set_aside=True)

    def silent(self, heard_from: Iterable[str], end: datetime) -> tuple[str, ...]:
        """Return, sorted, the awaited or set-aside sources not among `heard_from` (partial).

        Expected in a window that ends at `end` is who is awaited at its last instant.
        """
        given, last = frozenset(heard_from), end - datetime.resolution
        return tuple(
            sorted(
                source
                for source, state in self.sources.items()
                if source not in given and self.awaited(source, state, last)
            )
        )

    def _newest(self) -> datetime | None:
        times = [state.time for state in self.sources.values() if state.time is not None]
        return max(times, default=None)
