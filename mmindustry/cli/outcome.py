"""What every long command does with what it found: told on the way, kept in the end."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmindustry.errors import NotWritable


def typed() -> str:
    """Return the command as it was typed, so that it can be typed again; under torchrun with what
    started its processes: the order of sums is another than in one process, and so are the weights.
    """
    words = ["mmindustry", *sys.argv[1:]]
    if "TORCHELASTIC_RUN_ID" in os.environ:
        words = ["torchrun", "--nproc-per-node", os.environ["LOCAL_WORLD_SIZE"], "-m", *words]
    return shlex.join(words)


def refuse_no_folder(**given: Path | None) -> None:
    """Refuse folders that can't be made or written to, before hours of work are for nothing.

    Raises:
        NotWritable: Naming the option (exit 73).
    """
    for option, path in given.items():
        if path is None:
            continue
        stands = next(one for one in (path, *path.absolute().parents) if one.exists())
        if not stands.is_dir() or not os.access(stands, os.W_OK):
            reason = "can't be written to" if stands.is_dir() else "is a file"
            raise NotWritable(f"--{option} {path}: {stands} {reason}; give another folder")


def said(message: str) -> None:
    """Tell progress on stderr."""
    print(message, file=sys.stderr, flush=True)


def keep(name: str, figures: Mapping[str, Any], out: Path | None, *, seconds: float) -> None:
    """Write a result file where one is asked for."""
    from mmindustry.training.results import result, write_result

    if out is not None:
        write_result(out, result(name, figures, command=typed(), seconds=seconds))
