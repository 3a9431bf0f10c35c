"""Rows that belong together: a window and what was said of it, an alarm, its trail and its window.

The ledger counts messages, and a judgement names none: a row of `predictions` that is gone, or a
window without evidence, shows only where its partner stands alone. Retention deletes each table at
its own age and keeps the count of those it left alone, so they are no difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    case,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from mmindustry.store.database import Database, told_plainly
from mmindustry.store.naming import Rows
from mmindustry.store.statements import upsert_one
from mmindustry.store.tables import alarm_transitions, alarms, predictions, retired, windows

_REPORT_SECONDS = 600.0
_CHUNK = 500
_WHOLE_RECORD = -1
"""Stands for the partition in `retired`: a prediction names none."""
_LONE_WINDOWS = "windows_without_prediction"
_LONE_PREDICTIONS = "predictions_without_window"


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Rows whose partner is not there: `what` they are, how many more than retention left alone
    (below 0: fewer), and the name of one of them."""

    what: str
    rows: int
    example: str


def read_unpaired(database: Database) -> list[Unpaired]:
    """Return every kind of row that stands without its partner; empty = the record is whole.

    Each is one anti-join over keys, in the database.

    Raises:
        DependencyDown: The database is out of reach.
    """
    found = []
    with told_plainly(database), database.read(seconds=_REPORT_SECONDS) as connection:
        left = _left_alone(connection)
        for what, name, lonely in _questions():
            query = select(func.count(), func.min(name)).where(lonely)
            count, example = connection.execute(query).one()
            rows = count - left.get(what, 0)
            if rows:
                found.append(Unpaired(what, rows, example or ""))
    return found


def _questions() -> Sequence[tuple[str, ColumnElement[str], ColumnElement[bool]]]:
    """Return what to look for: its name, a row's name, and when a row lacks its partner.

    A window names the bundle that judged it first; others may have judged it besides.
    """
    trail = exists().where(alarm_transitions.c.alarm_id == alarms.c.id)
    rests_on = exists().where(
        windows.c.start == alarms.c.window_start,
        windows.c.asset == alarms.c.asset,
        windows.c.policy == alarms.c.window_policy,
        windows.c.revision == alarms.c.window_revision,
    )
    said = exists().where(_SAME, predictions.c.bundle == windows.c.bundle)
    has_end = trail.where(alarm_transitions.c.change == "cleared")
    is_cleared = alarms.c.cleared_at.is_not(None)
    return (
        (_LONE_WINDOWS, windows.c.id, and_(windows.c.bundle != "", ~said)),
        (_LONE_PREDICTIONS, predictions.c.window_id, ~exists().where(_SAME)),
        ("alarms_without_transition", alarms.c.id, or_(~trail, and_(is_cleared, ~has_end))),
        (
            "transitions_without_alarm",
            alarm_transitions.c.alarm_id,
            ~exists().where(alarms.c.id == alarm_transitions.c.alarm_id),
        ),
        ("alarms_without_window", alarms.c.id, and_(alarms.c.window_start.is_not(None), ~rests_on)),
    )


_SAME = and_(
    predictions.c.start == windows.c.start,
    predictions.c.asset == windows.c.asset,
    predictions.c.policy == windows.c.policy,
    predictions.c.revision == windows.c.revision,
)


def hold_pairs(connection: Connection) -> None:
    """Let no other retention delete partners until this transaction ends."""
    _add(connection, _LONE_WINDOWS, 0)


def count_lone(connection: Connection, table: Table, deleted: Rows) -> None:
    """Note the partners that retention leaves alone by deleting rows, and those it takes at last.

    Args:
        connection: The transaction that deleted them, behind `hold_pairs`.
        table: `windows` or `predictions`.
        deleted: What went, whole rows.
    """
    count = _after_windows if table is windows else _after_predictions
    for first in range(0, len(deleted), _CHUNK):
        alone, taken = count(connection, deleted[first : first + _CHUNK])
        other = _LONE_PREDICTIONS if table is windows else _LONE_WINDOWS
        own = _LONE_WINDOWS if table is windows else _LONE_PREDICTIONS
        _add(connection, other, alone)
        _add(connection, own, -taken)


def _after_windows(connection: Connection, gone: Rows) -> tuple[int, int]:
    """Return how many predictions stand alone now, and how many windows stood alone before."""
    table = predictions.c
    key = (table.start, table.asset, table.policy, table.revision)
    query = select(*key, table.bundle).where(tuple_(*key).in_([_key(row) for row in gone]))
    there = {tuple(row) for row in connection.execute(query)}
    alone = sum((*_key(row), row["bundle"]) not in there for row in gone if row["bundle"])
    return len(there), alone


def _after_predictions(connection: Connection, gone: Rows) -> tuple[int, int]:
    """Return how many windows stand alone now, and how many predictions stood alone before."""
    table = windows.c
    key = (table.start, table.asset, table.policy, table.revision)
    query = select(*key, table.bundle).where(tuple_(*key).in_([_key(row) for row in gone]))
    there = {tuple(row[:-1]): row.bundle for row in connection.execute(query)}
    alone = sum(there.get(_key(row)) == row["bundle"] != "" for row in gone)
    return alone, sum(_key(row) not in there for row in gone)


def _key(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    return row["start"], row["asset"], row["policy"], row["revision"]


def _add(connection: Connection, what: str, count: int) -> None:
    """Add to a count, which never falls below 0: what others deleted is no doing of ours."""
    key = {"partition": _WHOLE_RECORD, "era": 0, "kind": what}
    table = retired.c
    upsert_one(connection, retired, key | {"messages": 0}, {"messages": table.messages})
    below = table.messages + count < 0
    connection.execute(
        update(retired)
        .where(table.partition == _WHOLE_RECORD, table.era == 0, table.kind == what)
        .values(messages=case((below, 0), else_=table.messages + count))
    )


def _left_alone(connection: Connection) -> dict[str, int]:
    query = select(retired).where(retired.c.partition == _WHOLE_RECORD)
    return {row.kind: row.messages for row in connection.execute(query)}
