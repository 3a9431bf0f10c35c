"""Locks of the operating system: they die with their holder, so no lease and no clock is needed.

`flock(2)` locks belong to the open file, so two holders in one process exclude each other too.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from mmindustry.errors import NotWritable, StoreError


class FileLock:
    """A lock on one file, held from `take` until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def take(self, *, shared: bool = False) -> bool:
        """Return whether the lock was free; it is held then. Never waits.

        Raises:
            NotWritable: The file can't be made.
        """
        if self._descriptor is not None:
            return True
        while True:
            descriptor = self._open()
            try:
                mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
                fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            if self._is_current(descriptor):
                self._descriptor = descriptor
                return True
            os.close(descriptor)

    def release(self, *, remove: bool = False) -> None:
        """Give the lock back; with `remove`, take the file away first."""
        if self._descriptor is not None:
            if remove:
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise NotWritable(
                f"can't make {self.path}: {error.strerror}; make its folder writable by this user"
            ) from error

    def _is_current(self, descriptor: int) -> bool:
        """Whether the locked file is still the one at the path (it may have been removed)."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(descriptor))


class Membership:
    """Shares a group's partitions out among its living members, as Kafka's range assignor does.

    A member lives as long as its own lock is held. Partitions are split in runs over the members
    in the order of their names; each takes the locks of its run as they become free. What it
    gives up it lets go only in `settle`, between two steps of its line.
    """

    def __init__(self, folder: Path, member: str, partitions: int) -> None:
        """Join.

        Args:
            folder: Where the group's locks are.
            member: A name no other member has.
            partitions: How many partitions there are to share.
        """
        self._folder = folder
        self._locks = [FileLock(folder / f"partition-{i}.lock") for i in range(partitions)]
        self._own = FileLock(folder / f"member-{member}.lock")
        if not self._own.take():
            raise StoreError(f"two members of the group are named {member}")

    def held(self) -> tuple[int, ...]:
        """Return the partitions whose locks this member holds."""
        return tuple(i for i, lock in enumerate(self._locks) if lock.is_held)

    def look(self) -> bool:
        """Take what is free of this member's run; return whether `settle` has work.

        That is so where partitions came, or some must be given up.
        """
        run = self._run()
        came = [i for i in run if not self._locks[i].is_held and self._locks[i].take()]
        return bool(came) or any(i not in run for i in self.held())

    def settle(self) -> tuple[int, ...]:
        """Give up what is not in this member's run; return what is held now."""
        run = self._run()
        for i in self.held():
            if i not in run:
                self._locks[i].release()
        return self.held()

    def leave(self) -> None:
        """Give everything up; the others share it out when they look next."""
        for lock in self._locks:
            lock.release()
        self._own.release(remove=True)

    def _run(self) -> range:
        members = self._living()
        base, extra = divmod(len(self._locks), len(members))
        mine = members.index(self._own.path.name)
        start = mine * base + min(mine, extra)
        return range(start, start + base + (1 if mine < extra else 0))

    def _living(self) -> list[str]:
        living = [self._own.path.name]
        for path in self._folder.glob("member-*.lock"):
            if path.name == self._own.path.name:
                continue
            with FileLock(path) as lock:
                if lock.take():
                    lock.release(remove=True)
                else:
                    living.append(path.name)
        return sorted(living)
