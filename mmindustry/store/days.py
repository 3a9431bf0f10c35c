"""The day partitions of PostgreSQL: made ahead of time, dropped by retention."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from mmindustry.store.database import Database
from mmindustry.store.tables import BY_DAY

T = TypeVar("T")

_DAYS_LOCK = 0x6D6D64617973  # "mmdays": our key among PostgreSQL's advisory locks
_LOCK_MILLISECONDS = 500
_TRIES = 2
_LOCKED = ("55P03", "40P01")
"""SQLSTATE lock_not_available and deadlock_detected (PostgreSQL 18, appendix A)."""


def partition_name(table: str, day: date) -> str:
    """Return the name of `table`'s partition of `day`.

    >>> partition_name("windows", date(2026, 3, 1))
    'windows_p20260301'
    """
    return f"{table}_p{day:%Y%m%d}"


def days_of(connection: Connection, table: str) -> list[date]:
    """Return, in order, the days for which `table` has a partition of its own."""
    names = connection.scalars(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = to_regclass(:table)"
        ),
        {"table": table},
    )
    prefix = f"{table}_p"
    return sorted(
        datetime.strptime(name.removeprefix(prefix), "%Y%m%d").replace(tzinfo=UTC).date()
        for name in names
        if name.startswith(prefix)
    )


@dataclass(frozen=True, slots=True)
class Days:
    """What became of a look ahead: the partitions `made`, and the tables left for the next look,
    for somebody was `busy` reading them."""

    made: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()


def ensure_days(database: Database, first: date, count: int) -> Days:
    """Make the missing partitions of `count` days from `first` on. A no-op on SQLite.

    Rows of such a day that already stand in the default partition are moved. Each table has a
    transaction of its own, for a reader of several would else wait for us while we wait for him;
    and waits only a moment, for whoever comes after waits behind us.
    """
    if database.backend != "postgresql":
        return Days()
    with database.read() as connection:
        missing = _missing(connection, first, count)
    made: list[str] = []
    busy: list[str] = []
    for table in missing:
        found = _soon(database, partial(_fill, table=table, first=first, count=count))
        if found is None:
            busy.append(table)
        else:
            made += found
    return Days(tuple(made), tuple(busy))


def _soon(database: Database, work: Callable[[Connection], T]) -> T | None:
    """Return what `work` returns in a transaction that waits for no lock longer than a moment.

    None where others kept their locks at every try.
    """
    for _ in range(_TRIES):
        try:
            with database.write() as connection:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")
                return work(connection)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in _LOCKED:
                raise
    return None


def _fill(connection: Connection, table: str, first: date, count: int) -> list[str]:
    """Make the missing days of one table, alone; return their names."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _DAYS_LOCK})
    missing = _missing(connection, first, count).get(table, ())
    for day in missing:
        _make(connection, table, day)
    return [partition_name(table, day) for day in missing]


def _missing(connection: Connection, first: date, count: int) -> dict[str, list[date]]:
    """Return the tables that lack days, each with those."""
    wanted = [first + timedelta(days=n) for n in range(count)]
    found = {}
    for table in sorted(BY_DAY):
        known = set(days_of(connection, table))
        if lacking := [day for day in wanted if day not in known]:
            found[table] = lacking
    return found


def _make(connection: Connection, table: str, day: date) -> None:
    name, column = partition_name(table, day), BY_DAY[table]
    start = datetime.combine(day, time(), UTC)
    bounds = f"'{start.isoformat()}'", f"'{(start + timedelta(days=1)).isoformat()}'"
    # Names and bounds are made of constants and a date: nothing foreign gets in here.
    make = f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
    move = (
        f"WITH moved AS (DELETE FROM {table}_default WHERE {column} >= {bounds[0]} "  # noqa: S608
        f"AND {column} < {bounds[1]} RETURNING *) INSERT INTO {name} SELECT * FROM moved"
    )
    attach = f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({bounds[0]}) TO "
    for statement in (make, move, f"{attach}({bounds[1]})"):
        connection.exec_driver_sql(statement)


def drop_old_days(database: Database, tables: Sequence[str], cutoff: datetime) -> int:
    """Drop the empty day partitions of `tables` that lie before `cutoff`; return how many.

    One whose table is busy stays for the next run.
    """
    if database.backend != "postgresql":
        return 0
    with database.read() as connection:
        old = [(t, d) for t in tables for d in days_of(connection, t) if d < cutoff.date()]
    dropped = [_soon(database, partial(_drop_empty, table=t, day=d)) for t, d in old]
    return sum(bool(done) for done in dropped)


def _drop_empty(connection: Connection, table: str, day: date) -> bool:
    """Drop a day without rows, locked first so that none comes in between; return whether so."""
    name = partition_name(table, day)
    connection.exec_driver_sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    if day not in days_of(connection, table):
        return False  # another run has dropped it
    empty = f"SELECT NOT EXISTS (SELECT 1 FROM {name})"  # noqa: S608 - a table and a date
    if not connection.scalar(text(empty)):
        return False
    connection.exec_driver_sql(f"DROP TABLE {name}")
    return True
