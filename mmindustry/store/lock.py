"""A lock between processes that dies with its holder."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from mmindustry.errors import Busy


class FileLock:
    """An exclusive `flock(2)` on a file; the operating system lets go when the process ends.

    A context manager: `with FileLock(path, "worker"): ...`.
    """

    def __init__(self, path: Path, holder: str) -> None:
        self._path = path
        self._holder = holder
        self._descriptor: int | None = None

    def acquire(self, *, wait: bool = False) -> None:
        """Take the lock; with `wait`, once its holder lets go.

        Raises:
            Busy: Another process has it and `wait` is False.
            OSError: The file can't be made there.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Busy(
                f"another {self._holder} holds {self._path}; on SQLite there is one at a time: "
                "stop it, or use PostgreSQL"
            ) from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; the file stays, for removing it would let two hold the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
