"""Which sources have fallen quiet: gaps, measured on the arrival clock."""

import heapq
from dataclasses import replace
from datetime import datetime, timedelta

from mmindustry.domain import Gap, GapKind, SourceState
from mmindustry.windowing.asset import AssetMemory


class Silence:
    """Finds the sources of one partition that have said nothing for longer than allowed.

    One check a source waits in a heap; no turn scans all sources.
    """

    def __init__(self, partition: int, limit: timedelta) -> None:
        self._partition = partition
        self._limit = limit
        self._checks: list[tuple[datetime, str, str, datetime]] = []
        self._watched: set[tuple[str, str]] = set()
        self._ended: list[Gap] = []

    def watch(self, memory: AssetMemory, source: str, since: datetime | None) -> None:
        """Look again once the source's limit has passed since then, unless that is planned."""
        if since is None or (memory.asset, source) in self._watched:
            return
        self._watched.add((memory.asset, source))
        due = since + self._allowed(memory.time.sources[source])
        heapq.heappush(self._checks, (due, memory.asset, source, since))

    def _allowed(self, state: SourceState) -> timedelta:
        return self._limit if state.every is None else max(self._limit, 3 * state.every)

    def ended(self, memory: AssetMemory, source: str, since: datetime, at: datetime) -> None:
        """Note that a quiet source has spoken."""
        self._ended.append(self._gap(memory, source, since, max(at, since)))

    def find(self, clock: datetime, assets: dict[str, AssetMemory]) -> list[Gap]:
        """Return the gaps that ended, then those that began by `clock`, and mark their sources."""
        found, self._ended = self._ended, []
        while self._checks and self._checks[0][0] <= clock:
            _, asset, source, since = heapq.heappop(self._checks)
            self._watched.discard((asset, source))
            state = assets[asset].time.sources.get(source)
            if state is None or state.quiet_since is not None:
                continue
            since = state.heard or since
            if since + self._allowed(state) > clock:
                self.watch(assets[asset], source, since)
                continue
            assets[asset].time.sources[source] = replace(state, quiet_since=since)
            found.append(self._gap(assets[asset], source, since, None))
        return found

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
