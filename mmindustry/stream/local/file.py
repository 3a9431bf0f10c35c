"""The SQLite file of the log: its tables, its settings, and what its errors mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from mmindustry.errors import DependencyDown, StoreError

FILE_NAME = "log.sqlite"
DAMAGE_MARK = "damaged"
"""An empty file beside the log: a writer met damage, the next opening salvages."""
APPLICATION_ID = 0x6D6D6C67  # "mmlg"
VERSION = 1
_PAGE_BYTES = 8192
_WAL_LIMIT_BYTES = 64 * 1024 * 1024
_TABLES = """
CREATE TABLE topics (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uuid TEXT NOT NULL,
  partitions INTEGER NOT NULL, max_bytes INTEGER NOT NULL,
  retention_us INTEGER NOT NULL, retention_bytes INTEGER NOT NULL
);
CREATE TABLE lanes (
  topic INTEGER NOT NULL, partition INTEGER NOT NULL, begins INTEGER NOT NULL,
  ends INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE clocks (partition INTEGER PRIMARY KEY, append_us INTEGER NOT NULL);
CREATE TABLE messages (
  place INTEGER PRIMARY KEY, append_us INTEGER NOT NULL, checksum INTEGER NOT NULL,
  key BLOB, value BLOB, headers BLOB NOT NULL
);
CREATE TABLE group_offsets (
  name TEXT NOT NULL, topic INTEGER NOT NULL, partition INTEGER NOT NULL,
  needed INTEGER NOT NULL, PRIMARY KEY (name, topic, partition)
) WITHOUT ROWID;
"""
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def connect(
    path: Path, *, busy_seconds: float, synchronous: Literal["FULL", "NORMAL"] = "FULL"
) -> sqlite3.Connection:
    """Return a connection in autocommit mode, one thread at a time.

    FULL: what is acknowledged outlives a power cut. NORMAL is for hints (a group's offsets).
    """
    connection = sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    return connection


def build(connection: sqlite3.Connection) -> None:
    """Make the tables where the file is empty.

    Raises:
        StoreError: The file is of another program or of a newer version.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        _build_empty(connection)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID or version != VERSION:
        raise StoreError(
            f"the local log has version {version} (application {application:#x}), this program "
            f"reads version {VERSION}: run the mmindustry that wrote it, or choose another folder"
        )


def _build_empty(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    with writing(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if version == 0 and tables == 0:
            for statement in _TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one write transaction, all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block of reads on one state of the log."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")  # nothing was written; a COMMIT minds damage it met


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether `error` says that the file's own structure is broken."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE


@contextmanager
def explained(folder: Path, doing: str) -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Raises:
        DependencyDown: Busy, full, unreadable or damaged; the message says what to do.
    """
    try:
        yield
    except sqlite3.Error as error:
        if is_damage(error):
            (folder / DAMAGE_MARK).touch()
            hint = "the next start salvages what is whole"
        else:
            hint = _HINTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "look at the disk")
        raise DependencyDown(f"local log {folder}: {doing}: {error}; {hint}") from error


_HINTS = {
    sqlite3.SQLITE_BUSY: "another process writes for too long",
    sqlite3.SQLITE_LOCKED: "another process writes for too long",
    sqlite3.SQLITE_FULL: "free disk space or lower stream.topics.retention_bytes",
    sqlite3.SQLITE_READONLY: "the folder must be writable by this user",
    sqlite3.SQLITE_CANTOPEN: "the folder must be there and writable by this user",
    sqlite3.SQLITE_IOERR: "the disk refuses; look at its health and space",
}
