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
