"""Shards in a bucket or container, by `obstore` (the extra `objects`)."""

import errno
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import IO, Any, Self, TypeVar, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from mmindustry.errors import StoreError
from mmindustry.store.storage import Fill

_SPOOL_BYTES = 8 * 1024 * 1024
_Reached = TypeVar("_Reached")


class _Seekable:
    """An object store's reader as the file that pyarrow asks for."""

    closed = False

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        return bytes(self._reader.read(None if size < 0 else size))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        """Return the place."""
        return int(self._reader.tell())

    def seekable(self) -> bool:
        """Return that it is."""
        return True

    def close(self) -> None:
        """Let go."""
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ObjectStorage:
    """A bucket or container: an object appears whole or not at all."""

    def __init__(self, store: Any) -> None:
        self._store = store

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the store at `url`: s3://, gs://, az:// or memory://.

        Credentials come from the environment, as the cloud's own tools read them.

        Raises:
            StoreError: The URL is of no known kind, or says too little.
        """
        try:
            return cls(from_url(url))
        except (BaseError, ValueError) as error:
            raise StoreError(f"the archive at {url} can't be opened: {error}") from error

    def names(self, partition: str) -> Iterable[str]:
        """Return the objects below a partition's prefix."""
        batches = _reach(partition, lambda: list(obstore.list(self._store, f"{partition}/")))
        return sorted(str(found["path"]) for batch in batches for found in batch)

    def write(self, name: str, fill: Fill) -> None:
        """Spool the shard, then put it: in one request, or in parts where it is large."""
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            fill(cast("IO[bytes]", spool))
            spool.seek(0)
            _reach(name, lambda: obstore.put(self._store, name, cast("IO[bytes]", spool)))

    def open(self, name: str) -> IO[bytes]:
        """Return the object; only the ranges that are read travel."""
        reader = _reach(name, lambda: obstore.open_reader(self._store, name))
        return cast("IO[bytes]", _Seekable(reader))

    def delete(self, name: str) -> None:
        """Remove the object."""
        with suppress(FileNotFoundError):
            _reach(name, lambda: obstore.delete(self._store, name))

    def free_bytes(self) -> int | None:
        """Return None: a bucket has no end."""
        return None


def _reach(name: str, act: Callable[[], _Reached]) -> _Reached:
    """Return what `act` does; what store and network answer becomes an OSError.

    Raises:
        OSError: The store refused or is out of reach.
    """
    try:
        return act()
    except BaseError as error:
        raise OSError(errno.EIO, f"{name}: {error}") from error
