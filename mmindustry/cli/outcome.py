"""What every long command does with what it found: told on the way, kept in the end."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def typed() -> str:
    """Return the command as it was typed, so that it can be typed again."""
    return shlex.join(["mmindustry", *sys.argv[1:]])


def said(message: str) -> None:
    """Tell progress on stderr."""
    print(message, file=sys.stderr, flush=True)


def keep(name: str, figures: Mapping[str, Any], out: Path | None, *, seconds: float) -> None:
    """Write a result file where one is asked for."""
    from mmindustry.training.results import result, write_result

    if out is not None:
        write_result(out, result(name, figures, command=typed(), seconds=seconds))
