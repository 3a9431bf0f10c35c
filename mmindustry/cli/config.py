"""`mmindustry config ...`."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmindustry.cli.exits import Exit
from mmindustry.cli.options import AsJson, ConfigFile, Yes
from mmindustry.errors import InputError

if TYPE_CHECKING:
    from mmindustry.config.load import Loaded

app = typer.Typer(help="Write, check and show settings.")
DEFAULT_FILE = Path("mmindustry.yaml")


def read_settings(file: Path | None, overrides: dict[str, Any] | None = None) -> "Loaded":
    """Return the settings of `file`, or of `mmindustry.yaml` where that exists.

    Raises:
        BadConfig: With every mistake there is.
    """
    from mmindustry.config.load import load

    if file is None and DEFAULT_FILE.is_file():
        file = DEFAULT_FILE
    loaded = load(
        file,
        environment=os.environ,
        credentials=_credentials(os.environ),
        overrides=overrides,
    )
    for warning in loaded.warnings:
        print(f"mmindustry: {warning}", file=sys.stderr)
    return loaded


def _credentials(environment: Mapping[str, str]) -> list[Path]:
    """Return the folders of secrets; a variable that is set and empty says that there are none."""
    told = environment.get("CREDENTIALS_DIRECTORY")
    if told == "":
        return []
    return [Path(folder) for folder in (told, "/run/secrets") if folder]


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write; - is stdout.")] = DEFAULT_FILE,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print it, write nothing.")] = False,
    yes: Yes = False,
) -> None:
    """Write a file of all settings, each with its meaning and default, commented out.

    Example: mmindustry config init mmindustry.yaml
    """
    from mmindustry.config.reference import commented_file

    if stdout or str(path) == "-":
        print(commented_file(), end="")
        return
    if path.exists() and not yes:
        raise InputError(f"{path} exists; give another path, or --yes to overwrite it")
    path.write_text(commented_file())
    print(f"wrote {path}", file=sys.stderr)


@app.command()
def validate(file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Say every mistake of the configuration with its place; exit 78 where there is one.

    What the settings and the bundle they name would make a daemon refuse is a mistake too.

    Example: mmindustry config validate -c mmindustry.yaml
    """
    from mmindustry.config.mistakes import BadConfig
    from mmindustry.daemon.refusals import require_accepted

    try:
        loaded = read_settings(file)
        require_accepted(loaded)
    except BadConfig as error:
        if as_json:
            found = [mistake.as_json() for mistake in error.mistakes]
            print(json.dumps({"valid": False, "mistakes": found}))
            raise typer.Exit(Exit.CONFIG) from error
        raise
    if as_json:
        print(json.dumps({"valid": True, "mistakes": [], "files": loaded.files}))
    else:
        print(f"valid ({', '.join(loaded.files) or 'defaults only'})")


@app.command()
def show(
    file: ConfigFile = None,
    as_json: AsJson = False,
    origin: Annotated[bool, typer.Option("--origin", help="Each value's source too.")] = False,
) -> None:
    """Print the settings in force, secrets masked.

    Example: mmindustry config show --origin
    """
    from mmindustry.config.show import origins, shown

    loaded = read_settings(file)
    if not origin:
        print(json.dumps(shown(loaded), indent=None if as_json else 2, ensure_ascii=False))
        return
    for key, (value, source) in origins(loaded).items():
        if as_json:
            print(json.dumps({"key": key, "value": value, "origin": source}, ensure_ascii=False))
        else:
            print(f"{key} = {json.dumps(value, ensure_ascii=False)}  # {source}")


@app.command()
def schema(
    page: Annotated[bool, typer.Option("--page", help="The handbook's page instead.")] = False,
) -> None:
    """Print the JSON Schema of the file, for editors and checks.

    Example: mmindustry config schema > config.schema.json
    """
    from mmindustry.config.reference import handbook_page, json_schema

    if page:
        print(handbook_page(), end="")
    else:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
