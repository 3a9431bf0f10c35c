"""What every long command does with what it found: told on the way, kept in the end."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmindustry.errors import InputError


def typed() -> str:
    """Return the command as it was typed, so that it can be typed again."""
    return shlex.join(["mmindustry", *sys.argv[1:]])


def typed_in_team(size: int) -> str:
    """Return the command with what started its processes, where there were several.

    The order of sums is another than in one process, and so are the weights.
    """
    return typed() if size == 1 else f"torchrun --nproc-per-node {size} -m {typed()}"


def refuse_no_folder(**given: Path | None) -> None:
    """Refuse folders that can't be made or written to, before hours of work are for nothing.

    Raises:
        InputError: Naming the option.
    """
    for option, path in given.items():
        if path is None:
            continue
        stands = next(one for one in (path, *path.absolute().parents) if one.exists())
        if not stands.is_dir() or not os.access(stands, os.W_OK):
            reason = "can't be written to" if stands.is_dir() else "is a file"
            raise InputError(f"--{option} {path}: {stands} {reason}; give another folder")


def said(message: str) -> None:
    """Tell progress on stderr."""
    print(message, file=sys.stderr, flush=True)


def keep(name: str, figures: Mapping[str, Any], out: Path | None, *, seconds: float) -> None:
    """Write a result file where one is asked for."""
    from mmindustry.training.results import result, write_result

    if out is not None:
        write_result(out, result(name, figures, command=typed(), seconds=seconds))
