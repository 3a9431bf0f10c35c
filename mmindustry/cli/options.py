"""Options that many commands share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, or JSON Lines, on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="MMINDUSTRY_CONFIG",
        help="The YAML file; its conf.d folder is read too. Default: mmindustry.yaml if there.",
    ),
]
DataFolder = Annotated[
    Path,
    typer.Option("--data", envvar="MMINDUSTRY_DATA", help="Folder laid out as the data's README."),
]
JsonOut = Annotated[
    Path | None,
    typer.Option("--json", dir_okay=False, help="Write the result here, as a small JSON file."),
]


def duration_of(option: str, told: str) -> float | None:
    """Return the seconds that an option such as `--for 90s` says; None where it is empty.

    Raises:
        BadParameter: It is no duration, or none above 0 (exit 2).
    """
    from mmindustry.config.units import parse_duration

    if not told:
        return None
    try:
        seconds = parse_duration(told)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write it as 90s or 2m", param_hint=option) from error
    if seconds <= 0:
        raise typer.BadParameter(f"{told}: give a time above 0, such as 90s", param_hint=option)
    return seconds


def speed_of(option: str, told: str, *, least: float = 0.0) -> float | None:
    """Return the number that `--speed` says; None for `max`.

    Raises:
        BadParameter: It is no number in the range (exit 2).
    """
    if told == "max":
        return None
    try:
        speed = float(told)
    except ValueError:
        speed = -1.0
    if not (0 < speed < float("inf") and speed >= least):
        wanted = f"of at least {least:g}" if least else "above 0"
        raise typer.BadParameter(f"{told!r}: give a number {wanted}, or max", param_hint=option)
    return speed
