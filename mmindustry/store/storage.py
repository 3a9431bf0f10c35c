"""Where shards lie: what is asked of a place, and a folder on this machine as one."""

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

Fill = Callable[[IO[bytes]], None]
"""Writes a shard's bytes into an open file."""

_PARTIAL = ".partial"
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class ShardStorage(Protocol):
    """Holds shards by name. A name is `partition folder/day folder/file`."""

    def names(self, partition: str) -> Iterable[str]:
        """Return the names of all whole shards in a partition's folder."""

    def write(self, name: str, fill: Fill) -> None:
        """Make a shard: whole and durable on return, invisible where it fails.

        Raises:
            OSError: It could not be written; see `is_full`.
        """

    def open(self, name: str) -> IO[bytes]:
        """Return a shard for reading at any place.

        Raises:
            OSError: There is none, or it can't be reached.
        """

    def delete(self, name: str) -> None:
        """Remove a shard; one that is gone already is fine."""

    def free_bytes(self) -> int | None:
        """Return how much may still be written; None where nobody knows."""


def is_full(error: OSError) -> bool:
    """Return whether `error` says that there is no room."""
    return error.errno in _FULL


class LocalStorage:
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listed: dict[Path, tuple[int, list[str]]] = {}

    def names(self, partition: str) -> Iterable[str]:
        """Return the shards of a partition's folder; unchanged day folders come from memory."""
        for day in _entries(self._root / partition):
            changed = day.stat().st_mtime_ns
            known = self._listed.get(day)
            if known is None or known[0] != changed:
                files = [file.name for file in _entries(day) if file.suffix != _PARTIAL]
                known = self._listed[day] = (changed, sorted(files))
            for file in known[1]:
                yield f"{partition}/{day.name}/{file}"

    def write(self, name: str, fill: Fill) -> None:
        """Write beside, sync, rename, sync the folders: after a power cut all or nothing."""
        target = self._root / name
        fresh = _make_folders(target.parent)
        partial = target.with_name(target.name + _PARTIAL)
        try:
            with partial.open("wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(target)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        for folder in (target.parent, *fresh):
            _sync_folder(folder)
        self._listed.pop(target.parent, None)

    def open(self, name: str) -> IO[bytes]:
        """Return the file."""
        return (self._root / name).open("rb")

    def delete(self, name: str) -> None:
        """Remove the file, and what a killed writer left beside it."""
        target = self._root / name
        target.unlink(missing_ok=True)
        self._listed.pop(target.parent, None)

    def sweep(self, partition: str) -> None:
        """Remove what killed writers left in a partition's folder."""
        for day in _entries(self._root / partition):
            for file in _entries(day):
                if file.suffix == _PARTIAL:
                    file.unlink(missing_ok=True)

    def free_bytes(self) -> int | None:
        """Return the free bytes of the file system."""
        folder = self._root
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted; nothing where there is none."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _make_folders(folder: Path) -> list[Path]:
    """Make `folder` and return the parents whose entries are new."""
    fresh = []
    while not folder.exists():
        fresh.append(folder)
        folder = folder.parent
    for missing in reversed(fresh):
        missing.mkdir(exist_ok=True)
    return [made.parent for made in fresh]


def _sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
