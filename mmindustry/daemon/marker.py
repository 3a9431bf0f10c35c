"""The item in hand, named in a mapped file, so that a crash can be blamed on it."""

import fcntl
import json
import mmap
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mmindustry.errors import Busy

CONDEMNED_AFTER = 3
_SIZE = 4096
_LENGTH_BYTES = 2
_MOST_SLOTS = 256
_MOST_BLAMED = 100


class MappedMarker:
    """`ports.Marker` on one small file a worker.

    The kernel keeps a mapped page whatever kills the process, so no write to disk is needed while
    the line runs. At the next start the item found in the page is blamed once more; when it is
    carried through, its blame is lifted. Held by a file lock that dies with its holder.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._blame_file = file.with_suffix(".json")
        self._handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._handle)
            raise Busy(f"{file} is held by another worker") from error
        os.ftruncate(self._handle, _SIZE)
        self._page = mmap.mmap(self._handle, _SIZE)
        self._blame = self._load()
        item = self._read()
        if item:
            self._blame[item] = self._blame.get(item, 0) + 1
            self._save()
            self._write("")

    def hold(self, item: str) -> AbstractContextManager[None]:
        """Return a context in which `item` is the one in hand."""
        return self._holding(item)

    def condemned(self, item: str) -> bool:
        """Return whether three starts in a row died with this item in hand."""
        return self._blame.get(item, 0) >= CONDEMNED_AFTER

    def blamed(self) -> dict[str, int]:
        """Return item -> how many starts in a row it has killed."""
        return dict(self._blame)

    def close(self) -> None:
        """Let the file go."""
        self._page.close()
        os.close(self._handle)

    @contextmanager
    def _holding(self, item: str) -> Iterator[None]:
        outer = self._read()  # an item inside a window: the innermost is blamed
        self._write(item)
        yield  # an exception is a crash: it leaves the item named on purpose
        self._write(outer)
        if self._blame.get(item, CONDEMNED_AFTER) < CONDEMNED_AFTER:
            del self._blame[item]
            self._save()

    def _write(self, item: str) -> None:
        text = item.encode()[: _SIZE - _LENGTH_BYTES]
        self._page[:_LENGTH_BYTES] = b"\0\0"  # never a length with another item's text
        self._page[_LENGTH_BYTES : _LENGTH_BYTES + len(text)] = text
        self._page[:_LENGTH_BYTES] = len(text).to_bytes(_LENGTH_BYTES, "big")

    def _read(self) -> str:
        length = int.from_bytes(self._page[:_LENGTH_BYTES], "big")
        return self._page[_LENGTH_BYTES : _LENGTH_BYTES + length].decode(errors="replace")

    def _load(self) -> dict[str, int]:
        try:
            known = json.loads(self._blame_file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return {str(item): int(count) for item, count in known.items()}

    def _save(self) -> None:
        kept = dict(list(self._blame.items())[-_MOST_BLAMED:])
        self._blame = kept
        fresh = self._blame_file.with_suffix(".new")
        with fresh.open("w") as out:
            json.dump(kept, out)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self._blame_file)


def open_marker(folder: Path) -> MappedMarker:
    """Return the marker of the first worker slot in `folder` that no live process holds.

    Raises:
        Busy: All slots are held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for slot in range(1, _MOST_SLOTS + 1):
        try:
            return MappedMarker(folder / f"worker-{slot}.marker")
        except Busy:
            continue
    raise Busy(f"{_MOST_SLOTS} workers run in {folder} already")
