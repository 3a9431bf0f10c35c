"""An asset's event time: its sources' times, who is awaited, and the watermark they allow."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mmindustry.domain import Event, Modality, Sensor, SourceState
from mmindustry.windowing.validity import EVER, Span, Validity

MEDIA = frozenset({Modality.IMAGE, Modality.AUDIO})
_AT_ONCE = timedelta(0)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Strays:
    """How sources that the registry does not know are treated: for how long after their last
    word on the arrival clock they are waited for, and how many of an asset."""

    after: timedelta
    most: int


class AssetTime:
    """The watermark of one asset: the lowest time of its awaited sources, less the grace.

    Guaranteed never to go back, over claims too: it is part of what the record keeps (law 1).
    """

    __slots__ = (
        "_grace",
        "_last",
        "_length",
        "_strays",
        "_unheard",
        "_validity",
        "is_bounded",
        "sources",
        "watermark",
    )

    def __init__(self, *, length: timedelta, grace: timedelta, strays: Strays) -> None:
        self._length = length
        self._grace = grace
        self._strays = strays
        self._last: datetime | None = None
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
        if event.source in self.sources or self._room():
            self._note(event, frontier)
        self._unheard.discard(event.source)
        expected = bool(self._unheard)
        for source in self._unheard:
            self.sources[source] = replace(self.sources[source], expected=event.append_time)
        self._unheard.clear()
        return expected

    def _note(self, event: Event, frontier: datetime | None) -> None:
        self._last = max(self._heard_last() or event.append_time, event.append_time)
        state = self.sources.get(event.source) or SourceState(event.modality)
        time = event.end if state.time is None else max(state.time, event.end)
        heard = event.append_time if state.heard is None else max(state.heard, event.append_time)
        began = event.time if state.began is None else max(state.began, event.time)
        aside = state.set_aside and frontier is not None and _all_before(began, time, frontier)
        self.sources[event.source] = replace(
            state, time=time, began=began, heard=heard, set_aside=aside, quiet_since=None
        )

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

        A source it does not know is valid from its first word until others of its asset have
        spoken for long enough without it.
        """
        validity = self._validity.get(source)
        if validity is not None:
            return validity.at(at)
        state = self.sources[source]
        silent = _silent_for(state, self._heard_last())
        if silent is None or silent > self._strays.after:
            return Span(None, EVER, None)
        spoke = Sensor(source=source, asset="", modality=state.modality)
        return Span(spoke, EVER, at + max(self._strays.after - silent, _MINUTE))

    def awaited(
        self, source: str, state: SourceState, at: datetime | None, *, last: datetime | None
    ) -> bool:
        """Return whether windows wait for this source, set aside or not, around the time `at`.

        `last`: when the asset was heard last, on the arrival clock.
        """
        validity = self._validity.get(source)
        if validity is None:
            silent = _silent_for(state, last)
            return silent is not None and silent <= self._strays.after
        sensor = validity.newest if at is None else validity.at(at).sensor
        return sensor is not None and (sensor.every is None or sensor.every <= self._length)

    def holding(self) -> list[tuple[str, SourceState]]:
        """Return the awaited sources that are not set aside: those that hold the watermark."""
        at, last = self._newest(), self._heard_last()
        return [
            (source, state)
            for source, state in self.sources.items()
            if not state.set_aside and self.awaited(source, state, at, last=last)
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
        """Stop waiting for the sources that said nothing that began at `end` or later.

        A sound that only reaches beyond `end` opens no later window that could close by waiting.
        """
        for source, state in self.holding():
            if state.time is None or _all_before(state.began, state.time, end):
                self.sources[source] = replace(state, set_aside=True)

    def silent(self, items: Iterable[Event], *, opened: datetime, end: datetime) -> tuple[str, ...]:
        """Return, sorted, the awaited or set-aside sources that none of a window's items is from.

        Expected in a window that ends at `end` is who is awaited at its last instant. How long a
        stray was silent is told by the window's own arrivals, whatever came behind them.
        """
        given = tuple(items)
        sources = {item.source for item in given}
        last = max([opened, *(item.append_time for item in given)])
        return tuple(
            sorted(
                source
                for source, state in self.sources.items()
                if source not in sources
                and self.awaited(source, state, end - datetime.resolution, last=last)
            )
        )

    def _heard_last(self) -> datetime | None:
        """Return when the asset was last heard; after a claim as the record's sources tell."""
        if self._last is None:
            heard = (state.heard for state in self.sources.values() if state.heard is not None)
            self._last = max(heard, default=None)
        return self._last

    def _room(self) -> bool:
        """Forget the strays that are gone; return whether one more can be followed."""
        strays = [source for source in self.sources if source not in self._validity]
        if len(strays) < self._strays.most:
            return True
        for source in strays:
            state = self.sources[source]
            silent = _silent_for(state, self._heard_last())
            if silent is not None and silent > self._strays.after and state.quiet_since is None:
                del self.sources[source]
        return sum(source not in self._validity for source in self.sources) < self._strays.most

    def _newest(self) -> datetime | None:
        times = [state.time for state in self.sources.values() if state.time is not None]
        return max(times, default=None)


def _silent_for(state: SourceState, last: datetime | None) -> timedelta | None:
    """Return for how long others of the asset spoke since a source did; None: it never did.

    By the arrival times of what was sent, so that it follows from the stream alone.
    """
    return None if state.heard is None or last is None else max(last - state.heard, _AT_ONCE)


def _all_before(began: datetime | None, time: datetime, end: datetime) -> bool:
    """Return whether all items of a source lie in windows that end by `end`.

    `began` is None where an older mmindustry wrote the record: then its time has to do.
    """
    return time <= end if began is None else began < end
