"""Texts that people hand in."""

from pathlib import Path

from mmindustry.errors import InputError


def read_text(path: Path) -> str:
    """Return what stands in a UTF-8 file, a byte order mark left out, line ends as they are.

    Raises:
        InputError: It can't be read, or not as UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error}); save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error}") from error
