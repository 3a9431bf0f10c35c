"""An asset's event time: its sources' times, who is awaited, and the watermark they allow."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from mmindustry.domain import Event, Modality, Sensor, SourceState

MEDIA = frozenset({Modality.IMAGE, Modality.AUDIO})


class AssetTime:
    """The watermark of one asset: the lowest time of its awaited sources, less the grace.

    Guaranteed never to go back, over claims too: it is part of what the record keeps (law 1).
    """

    __slots__ = ("_grace", "_length", "sensors", "sources", "watermark")

    def __init__(self, *, length: timedelta, grace: timedelta) -> None:
        self._length = length
        self._grace = grace
        self.sources: dict[str, SourceState] = {}
        self.sensors: dict[str, Sensor] = {}
        self.watermark: datetime | None = None

    def register(self, sensors: Iterable[Sensor]) -> None:
        """Take the registry's word for which frame and sound sources to expect."""
        self.sensors = {sensor.source: sensor for sensor in sensors if sensor.modality in MEDIA}
        for source, state in list(self.sources.items()):
            known = source in self.sensors
            every = self.sensors[source].every if known else None
            if not known and state.heard is None:
                del self.sources[source]
            else:
                self.sources[source] = replace(state, every=every, registered=known)
        for sensor in self.sensors.values():
            if sensor.source not in self.sources:
                self.sources[sensor.source] = SourceState(
                    sensor.modality, every=sensor.every, registered=True
                )

    def hear(self, event: Event, frontier: datetime | None) -> datetime | None:
        """Move the source's time to the event's last instant; return since when it was quiet."""
        state = self.sources.get(event.source) or SourceState(event.modality)
        time = event.end if state.time is None else max(state.time, event.end)
        heard = event.append_time if state.heard is None else max(state.heard, event.append_time)
        aside = state.set_aside and frontier is not None and time <= frontier
        self.sources[event.source] = replace(
            state, time=time, heard=heard, set_aside=aside, quiet_since=None
        )
        return state.quiet_since

    def awaited(self, source: str, state: SourceState, at: datetime | None) -> bool:
        """Return whether windows wait for this source, set aside or not, around the time `at`."""
        if state.every is not None and state.every > self._length:
            return False
        sensor = self.sensors.get(source)
        if sensor is None or at is None:
            return sensor is not None or state.heard is not None
        begun = sensor.valid_from is None or sensor.valid_from <= at
        return begun and (sensor.valid_to is None or at < sensor.valid_to)

    def holding(self) -> list[tuple[str, SourceState]]:
        """Return the awaited sources that are not set aside: those that hold the watermark."""
        at = self._newest()
        return [
            (source, state)
            for source, state in self.sources.items()
            if not state.set_aside and self.awaited(source, state, at)
        ]

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

    def silent(self, heard_from: Iterable[str], at: datetime) -> tuple[str, ...]:
        """Return, sorted, the awaited or set-aside sources not among `heard_from` (partial)."""
        given = frozenset(heard_from)
        return tuple(
            sorted(
                source
                for source, state in self.sources.items()
                if source not in given and self.awaited(source, state, at)
            )
        )

    def _newest(self) -> datetime | None:
        times = [state.time for state in self.sources.values() if state.time is not None]
        return max(times, default=None)
