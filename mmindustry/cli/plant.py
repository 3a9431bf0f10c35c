"""`mmindustry plant ...`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.db import database_of
from mmindustry.cli.options import AsJson, ConfigFile, DryRun

app = typer.Typer(help="The plant registry: sites, areas, lines, assets, sensors.")


@app.command("import")
def import_file(
    path: Annotated[Path, typer.Argument(help="equipment.yaml or equipment.csv")],
    file: ConfigFile = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make the registry say what a file says; a second time changes nothing.

    Example: mmindustry plant import equipment.yaml --dry-run
    """
    from mmindustry.clock import SystemClock
    from mmindustry.store.equipment_files import read_equipment
    from mmindustry.store.plant import import_equipment

    equipment = read_equipment(path)
    database = database_of(read_settings(file).settings)
    found = import_equipment(database, equipment, SystemClock().now(), dry_run=dry_run)
    database.close()
    for one in found:
        if as_json:
            print(json.dumps(asdict(one)))
        else:
            fields = f" ({', '.join(one.fields)})" if one.fields else ""
            print(f"{one.change:7} {one.table:8} {one.key}{fields}")
    word = "would change" if dry_run else "changed"
    print(f"{word} {len(found)} rows of the registry", file=sys.stderr)


@app.command("list")
def list_plant(
    file: ConfigFile = None,
    unregistered: Annotated[
        bool, typer.Option("--unregistered", help="Only assets that nobody has registered.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the assets, those that only sent messages marked as unregistered.

    Example: mmindustry plant list --unregistered
    """
    from mmindustry.store.plant import list_assets

    database = database_of(read_settings(file).settings)
    found = list_assets(database, registered=False if unregistered else None)
    database.close()
    for asset in found:
        if as_json:
            print(json.dumps(asdict(asset) | {"first_seen": asset.first_seen.isoformat()}))
        else:
            state = "registered" if asset.registered else "UNREGISTERED"
            print(f"{asset.path:48} {state:12} {asset.sensors:3} sensors  {asset.name}")
