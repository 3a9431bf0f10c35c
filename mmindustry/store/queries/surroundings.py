"""What surrounds a window: log entries, operating states, what came too late."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, func, select

from mmindustry.store.queries.detail import WindowDetail
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import entries, late, sensors, states

_LOOK_BACK = timedelta(days=7)
_MAX_ENTRIES = 20
_MAX_CANDIDATES = 500
_MAX_LATE = 200
_MOST_LINES = 2_000


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of the log; `end` is the instant from which it counts."""

    source: str
    event_id: str
    time: datetime
    end: datetime
    text: str
    author: str | None
    precision_seconds: float
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateRow:
    """One operating state; None = unknown."""

    source: str
    time: datetime
    running: bool | None
    speed_rpm: float | None
    load_ratio: float | None


@dataclass(frozen=True, slots=True)
class LateRow:
    """An event that came after its window had closed; `revision` = the one that took it in."""

    source: str
    event_id: str
    time: datetime
    modality: str
    revision: int | None
    unrevised: str | None


def window_entries(connection: Connection, window: WindowDetail) -> tuple[EntryRow, ...]:
    """Return the log entries that were the window's context, newest first.

    They count from before its end, at most 7 days old, below its cut; the last 20.
    """
    query = (
        select(entries)
        .where(
            entries.c.asset == window.asset,
            entries.c.end <= window.end,
            entries.c.end > window.end - _LOOK_BACK,
        )
        .order_by(entries.c.end.desc(), entries.c.time.desc(), entries.c.source)
        .limit(_MAX_CANDIDATES)
    )
    known = [row for row in connection.execute(query) if _is_below_cut(row, window)]
    return tuple(_entry(row) for row in known[:_MAX_ENTRIES])


def _is_below_cut(row: Row[tuple[object, ...]], window: WindowDetail) -> bool:
    """Return whether a row was known when the window closed; offsets compare within one era."""
    if row.era != window.era:
        return bool(row.era < window.era)
    return bool(row.offset < window.cut.get(row.topic, 0))


def asset_entries(
    connection: Connection, scope: Scope, asset: str, *, limit: int = 20
) -> tuple[EntryRow, ...]:
    """Return the last log entries of an asset, newest first."""
    query = (
        select(entries)
        .where(entries.c.asset == asset, scope.covers(entries.c.asset))
        .order_by(entries.c.end.desc(), entries.c.time.desc())
        .limit(limit)
    )
    return tuple(_entry(row) for row in connection.execute(query))


def log_of(connection: Connection, asset: str, *, days: float) -> tuple[EntryRow, ...]:
    """Return an asset's log of the days before its newest entry, oldest first; at most 2,000."""
    mine = entries.c.asset == asset
    newest = connection.execute(select(func.max(entries.c.end)).where(mine)).scalar()
    if newest is None:
        return ()
    query = (
        select(entries)
        .where(mine, entries.c.end >= newest - timedelta(days=days))
        .order_by(entries.c.end.desc(), entries.c.time.desc(), entries.c.source)
        .limit(_MOST_LINES)
    )
    return tuple(_entry(row) for row in reversed(connection.execute(query).all()))


def _entry(row: Row[tuple[object, ...]]) -> EntryRow:
    return EntryRow(
        row.source,
        row.event_id,
        row.time,
        row.end,
        row.text,
        row.author,
        row.precision_seconds,
        tuple(row.flags or ()),
    )


def window_states(connection: Connection, window: WindowDetail) -> tuple[StateRow, ...]:
    """Return the operating states of the window's span and of the one before, oldest first."""
    query = (
        select(states)
        .where(
            states.c.asset == window.asset,
            states.c.time >= window.start - (window.end - window.start),
            states.c.time < window.end,
        )
        .order_by(states.c.time)
        .limit(_MAX_CANDIDATES)
    )
    return tuple(
        StateRow(r.source, r.time, r.running, r.speed_rpm, r.load_ratio)
        for r in connection.execute(query)
        if _is_below_cut(r, window)
    )


def window_late(connection: Connection, window: WindowDetail) -> tuple[LateRow, ...]:
    """Return what came too late for this window, oldest first."""
    query = (
        select(late)
        .where(
            late.c.start == window.start,
            late.c.asset == window.asset,
            late.c.policy == window.policy,
        )
        .order_by(late.c.time)
        .limit(_MAX_LATE)
    )
    return tuple(
        LateRow(r.source, r.event_id, r.time, r.modality, r.revision, r.unrevised)
        for r in connection.execute(query)
    )


def sensor_rate(connection: Connection, window: WindowDetail, source: str) -> float | None:
    """Return the registered sample rate of a source in Hz; None = not registered."""
    query = (
        select(sensors.c.rate_hz)
        .where(sensors.c.source == source, sensors.c.asset == window.asset)
        .order_by(sensors.c.valid_from.desc())
        .limit(1)
    )
    rate: float | None = connection.execute(query).scalar()
    return rate
