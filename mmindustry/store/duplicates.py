"""Which events the record already names: by asset, source, id and time."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, select, tuple_

from mmindustry.domain import Event, Fresh, Identity, Modality, Untaken
from mmindustry.store.tables import entries, late, states, windows

T = TypeVar("T")
_Start = tuple[str, str, datetime]

_CHUNK = 500  # keys a query: SQLite's expression depth and variables allow more, plans do not


def sort_untaken(connection: Connection, untaken: Sequence[Untaken]) -> Fresh:
    """Return what is new among `untaken` by kind, and the duplicates; one query a kind.

    A late item is known where a row of a window it missed names it, or the late list does.
    """
    known = (
        _known_rows(connection, entries, _identities(untaken, Modality.TEXT))
        | _known_rows(connection, states, _identities(untaken, Modality.STATE))
        | _known_evidence(connection, [one for one in untaken if one.late_for])
    )
    fresh: dict[str, list[Any]] = {"late": [], "entries": [], "states": [], "duplicates": []}
    for one in untaken:
        if one.event.identity in known:
            fresh["duplicates"].append(one.event)
            continue
        known.add(one.event.identity)
        kind, item = _kind(one)
        fresh[kind].append(item)
    return Fresh(**{kind: tuple(items) for kind, items in fresh.items()})


def _kind(one: Untaken) -> tuple[str, Untaken | Event]:
    if one.event.modality is Modality.TEXT:
        return "entries", one.event
    if one.event.modality is Modality.STATE:
        return "states", one.event
    return "late", one


def _identities(untaken: Iterable[Untaken], modality: Modality) -> list[Identity]:
    return [one.event.identity for one in untaken if one.event.modality is modality]


def _chunks(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[first : first + _CHUNK] for first in range(0, len(items), _CHUNK))


def _known_rows(connection: Connection, table: Table, wanted: Sequence[Identity]) -> set[Identity]:
    key = (table.c.asset, table.c.source, table.c.event_id, table.c.time)
    found: set[Identity] = set()
    for chunk in _chunks(wanted):
        rows = connection.execute(select(*key).where(tuple_(*key).in_(chunk)))
        found.update((row.asset, row.source, row.event_id, row.time) for row in rows)
    return found


def _known_evidence(connection: Connection, missed: Sequence[Untaken]) -> set[Identity]:
    starts = sorted({(o.event.asset, o.policy, start) for o in missed for start in o.late_for})
    found: set[Identity] = set()
    for chunk in _chunks(starts):
        found |= _in_windows(connection, chunk) | _in_late(connection, chunk)
    return found


def _in_windows(connection: Connection, starts: Sequence[_Start]) -> set[Identity]:
    key = tuple_(windows.c.asset, windows.c.policy, windows.c.start)
    days = windows.c.start.in_({start for _, _, start in starts})  # lets PostgreSQL skip days
    rows = connection.execute(
        select(windows.c.asset, windows.c.evidence).where(days, key.in_(starts))
    )
    return {
        (row.asset, item["source"], item["id"], datetime.fromisoformat(item["time"]))
        for row in rows
        for item in row.evidence
    }


def _in_late(connection: Connection, starts: Sequence[_Start]) -> set[Identity]:
    key = tuple_(late.c.asset, late.c.policy, late.c.start)
    days = late.c.start.in_({start for _, _, start in starts})
    rows = connection.execute(
        select(late.c.asset, late.c.source, late.c.event_id, late.c.time).where(
            days, key.in_(starts)
        )
    )
    return {(row.asset, row.source, row.event_id, row.time) for row in rows}
