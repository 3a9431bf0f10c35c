"""The day partitions of PostgreSQL: made ahead of time, dropped by retention."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, text

from mmindustry.store.tables import BY_DAY

_DAYS_LOCK = 0x6D6D64617973  # "mmdays": our key among PostgreSQL's advisory locks


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


def ensure_days(connection: Connection, first: date, count: int) -> Sequence[str]:
    """Make the missing partitions of `count` days from `first` on; return their names.

    Rows of such a day that already stand in the default partition are moved. A no-op on SQLite.
    """
    if connection.dialect.name != "postgresql" or not _missing(connection, first, count):
        return ()
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _DAYS_LOCK})
    missing = _missing(connection, first, count)
    for table, day in missing:
        _make(connection, table, day)
    return [partition_name(table, day) for table, day in missing]


def _missing(connection: Connection, first: date, count: int) -> list[tuple[str, date]]:
    wanted = [first + timedelta(days=n) for n in range(count)]
    known = {table: set(days_of(connection, table)) for table in BY_DAY}
    return [(table, day) for table in sorted(BY_DAY) for day in wanted if day not in known[table]]


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


def drop_day(connection: Connection, table: str, day: date) -> None:
    """Drop `table`'s partition of `day` with all its rows."""
    connection.exec_driver_sql(f"DROP TABLE {partition_name(table, day)}")


def drop_old_days(connection: Connection, tables: Sequence[str], cutoff: datetime) -> int:
    """Drop the empty day partitions of `tables` that lie before `cutoff`; return how many."""
    if connection.dialect.name != "postgresql":
        return 0
    dropped = 0
    for table in tables:
        for day in days_of(connection, table):
            name = partition_name(table, day)
            empty = f"SELECT NOT EXISTS (SELECT 1 FROM {name})"  # noqa: S608 - a table and a date
            if day < cutoff.date() and connection.scalar(text(empty)):
                drop_day(connection, table, day)
                dropped += 1
    return dropped
