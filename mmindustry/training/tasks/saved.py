"""What a task was saved as."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmindustry.errors import InputError


def told_of(path: Path, kind: str) -> dict[str, Any]:
    """Return the JSON object of a saved task.

    Raises:
        InputError: It can't be read or is of another kind.
    """
    told = _read(path)
    if told.get("kind") != kind:
        raise InputError(f"{path}: holds no {kind}")
    return told


def kind_of(path: Path, known: Sequence[str]) -> str:
    """Return what kind of task a file holds.

    Raises:
        InputError: It can't be read or holds no task that is known.
    """
    kind = str(_read(path).get("kind"))
    if kind not in known:
        raise InputError(f"{path}: holds no task ({kind}); write one by: mmindustry task learn")
    return kind


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read as a task: {error}") from error
    if not isinstance(told, dict):
        raise InputError(f"{path}: holds no task, it is no JSON object")
    return told
