"""Which sources have fallen quiet: gaps, measured on the arrival clock."""

import heapq
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mmindustry.domain import Event, Gap, GapKind, Sensor, SourceState
from mmindustry.windowing.asset import AssetMemory
from mmindustry.windowing.validity import EVER, Span

_LONGEST = timedelta(days=365)
"""An asset is looked at again after so long at the latest: keeps sums of times in the calendar."""


class Silence:
    """Finds the sources of one partition that have said nothing for longer than allowed.

    A source is quiet while the registry holds it as valid and its silence is too long; its next
    item or the end of its validity ends that. Both follow from what the record keeps of the asset
    and from the arrival clock alone, so a claim changes nothing. One look an asset is planned in a
    heap, for when something may change; no turn looks at all assets.
    """

    def __init__(self, partition: int, limit: timedelta) -> None:
        self._partition = partition
        self._limit = limit
        self._looks: list[tuple[datetime, str]] = []
        self._planned: dict[str, datetime] = {}
        self._stirred: set[str] = set()
        self._ended: dict[tuple[str, str], Gap] = {}

    def stir(self, asset: str) -> None:
        """Look at an asset in the next turn."""
        self._stirred.add(asset)

    def heard(
        self, memory: AssetMemory, event: Event, before: SourceState | None, *, expects: bool
    ) -> None:
        """Note that a source has spoken.

        Args:
            memory: Of its asset, the event heard already.
            event: What it said.
            before: Of the source, before that; None = it is new.
            expects: Whether sources that never spoke are expected from now on.
        """
        key, at = (memory.asset, event.source), event.append_time
        if before is not None and before.quiet_since is not None:
            since = before.quiet_since
            self._ended[key] = self._gap(memory, event.source, since, max(at, since))
        elif key in self._ended:  # late items are heard last, whenever they came
            ended = self._ended[key]
            first = min(max(at, ended.started), ended.ended or at)
            self._ended[key] = replace(ended, ended=first)
        news = expects or before is None or before.heard is None or before.quiet_since is not None
        if news or memory.time.is_bounded or memory.asset not in self._planned:
            self._stirred.add(memory.asset)

    def find(self, clock: datetime, assets: dict[str, AssetMemory]) -> list[Gap]:
        """Return the gaps that ended, then those that change by `clock`, and mark their sources."""
        found = list(self._ended.values())
        self._ended.clear()
        while self._looks and self._looks[0][0] <= clock:
            moment, asset = heapq.heappop(self._looks)
            if self._planned.get(asset) == moment:
                del self._planned[asset]
                self._stirred.add(asset)
        for asset in sorted(self._stirred):
            found += self._look(assets[asset], clock)
        self._stirred.clear()
        return found

    def _look(self, memory: AssetMemory, clock: datetime) -> Iterator[Gap]:
        now = memory.time.now(clock)
        if now is None:
            return
        again = clock + _LONGEST
        for source, state in sorted(memory.time.sources.items()):
            span = memory.time.span(source, now)
            if span.ends is not None:
                again = min(again, clock + min(span.ends - now, _LONGEST))
            if span.sensor is None:
                yield from self._excuse(memory, source, clock)
                continue
            since = _silent_since(state, span, clock=clock, now=now)
            if since is None or state.quiet_since is not None:
                continue
            due = since + self._allowed(span.sensor)
            if due > clock:
                again = min(again, due)
                continue
            memory.time.sources[source] = replace(state, quiet_since=since)
            yield self._gap(memory, source, since, None)
        self._plan(memory.asset, again)

    def _excuse(self, memory: AssetMemory, source: str, clock: datetime) -> Iterator[Gap]:
        """End the silence of a source that is not valid now; it counts anew from here."""
        state = memory.time.sources[source]
        if state.quiet_since is not None:
            memory.time.sources[source] = replace(state, quiet_since=None, expected=clock)
            yield self._gap(memory, source, state.quiet_since, max(clock, state.quiet_since))

    def _allowed(self, sensor: Sensor) -> timedelta:
        return self._limit if sensor.every is None else max(self._limit, 3 * sensor.every)

    def _plan(self, asset: str, moment: datetime) -> None:
        planned = self._planned.get(asset)
        if planned is None or moment < planned:
            self._planned[asset] = moment
            heapq.heappush(self._looks, (moment, asset))

    def _gap(
        self, memory: AssetMemory, source: str, since: datetime, ended: datetime | None
    ) -> Gap:
        return Gap(
            partition=self._partition,
            asset=memory.asset,
            source=source,
            kind=GapKind.QUIET,
            started=since,
            ended=ended,
        )


def _silent_since(
    state: SourceState, span: Span, *, clock: datetime, now: datetime
) -> datetime | None:
    """Return since when, on the arrival clock, a valid source's silence counts; None: not yet.

    Args:
        state: Of the source.
        span: In which its asset's event time is.
        clock: The arrival clock.
        now: The asset's event time.
    """
    known = [moment for moment in (state.heard, state.expected) if moment is not None]
    if known and span.since != EVER:
        known.append(clock - min(now - span.since, _LONGEST))
    return max(known, default=None)
