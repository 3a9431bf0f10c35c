"""What retention must leave alone: the evidence of alarms that are still in the record."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from mmindustry.store.save import LONGEST_WINDOW
from mmindustry.store.tables import alarms, late, windows

_Span = tuple[datetime, datetime | None]


@dataclass(frozen=True, slots=True)
class Holds:
    """Per asset the stretches of event time that an alarm of the record rests on."""

    spans: dict[str, list[_Span]]

    def covers(self, asset: str, start: datetime, end: datetime) -> bool:
        """Return whether some of [start, end) of `asset` is held."""
        return any(
            end >= first and (last is None or start <= last)
            for first, last in self.spans.get(asset, ())
        )

    def covers_any(self, start: datetime, end: datetime) -> bool:
        """Return whether some of [start, end) is held for any asset."""
        return any(self.covers(asset, start, end) for asset in self.spans)


def read_holds(connection: Connection, before: timedelta) -> Holds:
    """Return the stretches from `before` each raise to its clear; open while active."""
    spans: dict[str, list[_Span]] = defaultdict(list)
    query = select(alarms.c.asset, alarms.c.raised_at, alarms.c.cleared_at)
    for row in connection.execute(query):
        spans[row.asset].append((row.raised_at - before, row.cleared_at))
    return Holds(dict(spans))


def held_shards(connection: Connection, holds: Holds) -> set[str]:
    """Return the shards that hold evidence of a held window, what came late for it included."""
    found: set[str] = set()
    for asset, first, last in _flat(holds):
        own = select(windows.c.shard).where(windows.c.asset == asset, windows.c.end >= first)
        begins = late.c.start >= first - LONGEST_WINDOW  # its end is not told
        more = select(late.c.shard).where(late.c.asset == asset, begins)
        if last is not None:
            own, more = own.where(windows.c.start <= last), more.where(late.c.start <= last)
        for query in (own, more):
            found.update(shard for shard in connection.scalars(query.distinct()) if shard)
    return found


def _flat(holds: Holds) -> Iterable[tuple[str, datetime, datetime | None]]:
    return ((asset, *span) for asset, spans in holds.spans.items() for span in spans)
