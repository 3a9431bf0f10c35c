"""One database behind one door: SQLite or PostgreSQL, read and write transactions, its errors."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mmindustry.errors import DependencyDown, NotWritable, StoreError
from mmindustry.store.columns import from_json, to_json
from mmindustry.store.deadline import cut_after
from mmindustry.store.lock import FileLock
from mmindustry.store.policy import StorePolicy

Backend = Literal["sqlite", "postgresql"]

_WRITE = "mmindustry_write"
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_TRANSIENT_STATES = ("25", "53", "57", "58", "08", "40", "55")
"""SQLSTATE classes that pass: wrong transaction state (a read-only standby), resources, operator
intervention, system error, connection, rollback, object not ready (PostgreSQL 18, appendix A)."""

_READ_ONLY = "25006"
"""SQLSTATE read_only_sql_transaction: a standby, or a primary that was one."""

_TRANSIENT_SQLITE = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    )
)
"""Primary result codes that pass: locks, a full disk, a file system in trouble."""


class Database:
    """The engine of one database and its two kinds of transactions.

    Safe to use from several threads; each transaction has a connection of its own.
    """

    def __init__(self, policy: StorePolicy) -> None:
        self.policy = policy
        url = make_url(policy.url)
        self.backend: Backend = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
        self.path = Path(url.database or "") if self.backend == "sqlite" else None
        self.engine = _engine(url, policy)
        self._writer = self.engine.execution_options(**{_WRITE: True})

    @contextmanager
    def read(self, *, seconds: float | None = None) -> Iterator[Connection]:
        """Give a connection in one transaction that sees one state of the record.

        Args:
            seconds: Lifts the time limits to this for slow reports; None keeps the policy's.
        """
        with ExitStack() as stack:
            connection = stack.enter_context(self.engine.connect())
            if self.backend == "postgresql":
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            stack.enter_context(self._deadline(connection, seconds))
            stack.enter_context(connection.begin())
            if seconds is not None and self.backend == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in one transaction: committed at the end, or undone by an exception.

        A connection to a server that has become read-only is given up: the next may find another.
        """
        with ExitStack() as stack:
            connection = stack.enter_context(self._writer.connect())
            stack.enter_context(self._deadline(connection, None))
            stack.enter_context(connection.begin())
            try:
                yield connection
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) == _READ_ONLY:
                    connection.invalidate(error)
                raise

    @contextmanager
    def _deadline(self, connection: Connection, seconds: float | None) -> Iterator[None]:
        if self.backend == "sqlite":
            yield
            return
        limit = max(self.policy.deadline_seconds, seconds or 0.0)
        driver: Any = connection.connection.dbapi_connection
        with cut_after(driver.fileno(), limit):
            yield

    def lock(self, role: str) -> FileLock | None:
        """Return the lock that admits one `role` (worker, notifier); None on PostgreSQL."""
        if self.path is None:
            return None
        return FileLock(self.path.with_name(f"{self.path.name}.{role}.lock"), role)

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def open_database(policy: StorePolicy) -> Database:
    """Return the database of `policy`; nothing is connected until it is used.

    Raises:
        NotWritable: SQLite's folder is missing or can't be written.
    """
    database = Database(policy)
    if database.path is not None:
        _check_folder(database.path.absolute().parent)
    return database


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise NotWritable(
            f"{folder}, the folder of the database, does not exist: make it, or change store.url"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NotWritable(
            f"{folder}, the folder of the database, can't be written: make it writable by this "
            "user (SQLite writes beside its file even to read), or change store.url"
        )


def is_transient(error: Exception) -> bool:
    """Return whether a further try may work: the database is away, busy, full or moving."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, PoolTimeout)
    if isinstance(error.orig, sqlite3.Error):
        return (error.orig.sqlite_errorcode & 0xFF) in _TRANSIENT_SQLITE
    if error.connection_invalidated or isinstance(error, OperationalError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    return state.startswith(_TRANSIENT_STATES)


@contextmanager
def told_plainly(database: Database) -> Iterator[None]:
    """Turn errors of the driver into ours, for callers that do not try again (pages, commands).

    Raises:
        DependencyDown: The database is out of reach or busy.
        StoreError: It refuses for good.
    """
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        where = database.engine.url.render_as_string(hide_password=True)
        if is_transient(error):
            raise DependencyDown(f"the database {where} can't answer now: {cause}") from error
        raise StoreError(f"the database {where} refuses: {cause}") from error


def _engine(url: URL, policy: StorePolicy) -> Engine:
    json = {"json_serializer": to_json, "json_deserializer": from_json}
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, **json)
        event.listen(engine, "connect", _prepare_sqlite(policy))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    settings = " ".join(
        f"-c {name}={value}"
        for name, value in (
            ("timezone", "UTC"),
            ("statement_timeout", int(policy.statement_timeout_seconds * 1000)),
            (
                "idle_in_transaction_session_timeout",
                int(policy.idle_in_transaction_seconds * 1000),
            ),
        )
    )
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={
            "connect_timeout": policy.connect_timeout_seconds,
            "options": settings,
            "application_name": "mmindustry",
            **_KEEPALIVE,
        },
        pool_size=4,
        max_overflow=8,
        pool_timeout=policy.connect_timeout_seconds,
        **json,
    )


def _prepare_sqlite(policy: StorePolicy) -> Any:
    """Return the listener that sets up each new SQLite connection."""
    statements = (
        f"PRAGMA busy_timeout = {int(policy.busy_timeout_seconds * 1000)}",
        "PRAGMA journal_mode = WAL",
        f"PRAGMA synchronous = {policy.synchronous.upper()}",
        "PRAGMA foreign_keys = ON",
    )

    def prepare(driver: Any, _record: Any) -> None:
        driver.isolation_level = None  # we say BEGIN ourselves: the driver begins too late
        cursor = driver.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()

    return prepare


def _begin_sqlite(connection: Connection) -> None:
    """Begin; a writer takes its lock at once, so that it can't fail in the middle."""
    writes = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
