"""A folder for the length of one run, and the end of those whose run was killed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmindustry.errors import NotWritable
from mmindustry.stream.local.locks import FileLock

_OWNER = "owner.lock"


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """Give a folder of our own among the temporary ones, and remove it in the end.

    Its owner holds a lock in it, which dies with the process however that ends; folders of the
    same prefix and user whose lock nobody holds are removed first.

    Raises:
        NotWritable: The folder of temporary files takes none.
    """
    root = Path(tempfile.gettempdir())
    _sweep(root, prefix)
    try:
        fresh = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=root))
    except OSError as error:
        raise NotWritable(
            f"{root} can't be written ({error.strerror}); set TMPDIR to a folder that can"
        ) from error
    with FileLock(fresh / _OWNER) as owner:
        owner.take()
        folder = root / fresh.name.removeprefix(".")
        fresh.rename(folder)  # under this name only with its lock held: no sweep takes it for dead
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(root: Path, prefix: str) -> None:
    for folder in root.glob(f"{prefix}*"):
        with suppress(OSError):  # another user's, or gone meanwhile
            if _is_ours(folder) and (folder / _OWNER).is_file():
                _remove_if_dead(folder)


def _is_ours(folder: Path) -> bool:
    found = folder.lstat()
    return found.st_uid == os.getuid() and folder.is_dir() and not folder.is_symlink()


def _remove_if_dead(folder: Path) -> None:
    with FileLock(folder / _OWNER) as owner:
        if owner.take():
            shutil.rmtree(folder, ignore_errors=True)
