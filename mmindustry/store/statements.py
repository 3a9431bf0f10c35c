"""Statements that read the same on SQLite and on PostgreSQL."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, func
from sqlalchemy.dialects import postgresql, sqlite


def _insert(dialect: str, table: Table) -> Any:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose key is new and leave the others as they are: the first write wins."""
    if rows:
        connection.execute(_new(connection.dialect.name, table), rows)


@lru_cache(maxsize=64)  # as many as there are tables, twice
def _new(dialect: str, table: Table) -> Any:
    return _insert(dialect, table).on_conflict_do_nothing()


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows, or write all their other columns where the key is known."""
    if not rows:
        return
    connection.execute(_over(connection.dialect.name, table, tuple(rows[0])), rows)


@lru_cache(maxsize=64)
def _over(dialect: str, table: Table, columns: tuple[str, ...]) -> Any:
    statement = _insert(dialect, table)
    keys = [column.name for column in table.primary_key]
    others = {name: statement.excluded[name] for name in columns if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=others)


def upsert_one(connection: Connection, table: Table, row: dict[str, Any], change: Any) -> Any:
    """Insert `row`, or make `change` to the row of its key; return the row that stands then."""
    keys = [column.name for column in table.primary_key]
    statement = _insert(connection.dialect.name, table).values(row)
    statement = statement.on_conflict_do_update(index_elements=keys, set_=change)
    return connection.execute(statement.returning(*table.columns)).mappings().one()


def set_once(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], column: str
) -> None:
    """Insert the rows; where the key is known, fill `column` if it is still empty."""
    if not rows:
        return
    statement = _insert(connection.dialect.name, table)
    keys = [key.name for key in table.primary_key]
    kept = func.coalesce(table.c[column], statement.excluded[column])
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_={column: kept}), rows
    )
