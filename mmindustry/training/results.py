"""Figures of a long run as a small file: what was found, by which command, code and machine."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

_CODE = Path(__file__).resolve().parent
_TOLD = ("torch", "numpy", "onnxruntime", "opencv-python-headless")


def result(
    name: str, figures: Mapping[str, Any], *, command: str, seconds: float
) -> dict[str, Any]:
    """Return a result as plain JSON.

    Args:
        name: Of the evaluation, such as `bsdata`.
        figures: What it found; numpy scalars and arrays become numbers and lists, NaN becomes null.
        command: As typed, so that it can be typed again.
        seconds: How long it took.
    """
    return {
        "name": name,
        "command": command,
        "commit": commit(),
        "machine": machine(),
        "seconds": round(seconds, 1),
        "figures": plain(figures),
    }


def write_result(path: Path, found: Mapping[str, Any]) -> None:
    """Write a result whole or not at all: a reader never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    partial.replace(path)


def plain(value: Any, *, digits: int = 6) -> Any:
    """Return a value as JSON knows it, floats to so many significant digits (17: as they are).

    >>> plain({"f1": np.float64(0.123456789), "none": float("nan")})
    {'f1': 0.123457, 'none': None}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner, digits=digits) for key, inner in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(inner, digits=digits) for inner in value]
    bare = value.item() if isinstance(value, np.generic) else value
    if isinstance(bare, float):
        return float(f"{bare:.{digits}g}") if isfinite(bare) else None
    return bare


def commit() -> str:
    """Return the code's commit, `+` behind it where files differ; the version where none is."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],  # noqa: S607 - the user's git
            cwd=_CODE,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return _version("mmindustry")
    return said.stdout.strip()


def machine() -> dict[str, Any]:
    """Return what a figure may depend on: processor, cores, instruction set, versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "instructions": _instructions(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _TOLD},
    }


def _instructions() -> str | None:
    """Return the instruction set that torch computes with; None where it took no part."""
    torch: Any = sys.modules.get("torch")
    return str(torch.backends.cpu.get_cpu_capability()) if torch else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
