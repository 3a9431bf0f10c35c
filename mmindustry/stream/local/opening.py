"""Opening the log: folder, guard, tables, and salvage where the file is damaged."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmindustry.errors import Busy, NotWritable
from mmindustry.stream.local.file import (
    DAMAGE_MARK,
    FILE_NAME,
    build,
    connect,
    explained,
    is_damage,
)
from mmindustry.stream.local.locks import FileLock
from mmindustry.stream.local.salvage import Salvage, salvage
from mmindustry.stream.policy import LocalPolicy


@dataclass(frozen=True, slots=True)
class OpenLog:
    """A log that is open here: its connection, the guard that keeps it from being salvaged under
    our feet, and what a salvage at this opening gave up (None = the file was whole)."""

    folder: Path
    connection: sqlite3.Connection
    guard: FileLock
    salvaged: Salvage | None

    def close(self) -> None:
        """Close the file and let go of the guard."""
        self.connection.close()
        self.guard.release()


def open_log(policy: LocalPolicy, *, synchronous: Literal["FULL", "NORMAL"] = "FULL") -> OpenLog:
    """Open the log in the policy's folder, made where missing, salvaged where damaged.

    Raises:
        NotWritable: The folder can't be used.
        StoreError: The log is of another version.
        Busy: The log is damaged and other processes have it open; stop them first.
        DependencyDown: SQLite can't open it now.
    """
    folder = Path(policy.folder)
    _make(folder)
    guard = FileLock(folder / "open.lock")
    given_up = _repair(folder, policy)
    if not guard.take(shared=True):
        raise Busy(f"local log {folder} is being salvaged by another process; try again soon")
    try:
        with explained(folder, "opening"):
            connection = connect(
                folder / FILE_NAME, busy_seconds=policy.busy_seconds, synchronous=synchronous
            )
            build(connection)
    except BaseException:
        guard.release()
        raise
    return OpenLog(folder, connection, guard, given_up)


def lost_offsets(given_up: Salvage | None) -> Mapping[str, int]:
    """Return topic -> how many messages a salvage gave up, for a log line."""
    if given_up is None:
        return {}
    counts: dict[str, int] = {}
    for loss in given_up.losses:
        counts[loss.topic] = counts.get(loss.topic, 0) + loss.last - loss.first
    return counts


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise NotWritable(
            f"{folder.absolute()}, the folder of a local log, can't be written ({error.strerror}); "
            "make it writable by this user, or set another (stream.local.folder, or run.data_dir)"
        ) from error


def _repair(folder: Path, policy: LocalPolicy) -> Salvage | None:
    path = folder / FILE_NAME
    if not path.exists() or not (_is_marked(folder) or _is_broken(path, policy)):
        return None
    with FileLock(folder / "open.lock") as alone:
        if not alone.take():
            raise Busy(
                f"local log {folder} is damaged and other processes have it open: stop them, the "
                "next start salvages what is whole"
            )
        return salvage(path, busy_seconds=policy.busy_seconds)


def _is_marked(folder: Path) -> bool:
    return (folder / DAMAGE_MARK).exists()


def _is_broken(path: Path, policy: LocalPolicy) -> bool:
    connection = connect_quietly(path, policy)
    if connection is None:
        return True
    try:
        connection.execute("SELECT * FROM topics").fetchall()
        connection.execute("SELECT * FROM lanes").fetchall()
        connection.execute("SELECT * FROM clocks").fetchall()
        connection.execute("SELECT max(place) FROM messages").fetchall()
    except sqlite3.Error as error:
        return is_damage(error)
    finally:
        connection.close()
    return False


def connect_quietly(path: Path, policy: LocalPolicy) -> sqlite3.Connection | None:
    """Return a connection, or None where the file is not a database any more."""
    try:
        return connect(path, busy_seconds=policy.busy_seconds)
    except sqlite3.Error as error:
        if is_damage(error):
            return None
        raise
