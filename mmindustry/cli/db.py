"""`mmindustry db ...`."""

import json
import sys
from typing import TYPE_CHECKING

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.options import AsJson, ConfigFile, DryRun, Yes
from mmindustry.errors import InputError

if TYPE_CHECKING:
    from mmindustry.config.settings import Settings
    from mmindustry.store.database import Database

app = typer.Typer(help="The database of the record.")


def database_of(settings: "Settings", *, check: bool = True) -> "Database":
    """Return the database of `settings`; with `check`, one of the newest layout.

    Raises:
        NotWritable: SQLite's folder is missing or can't be written.
        StoreError: Its layout is another; the message says what to do.
        DependencyDown: It is out of reach.
    """
    from mmindustry.daemon.places import open_record
    from mmindustry.store.schema import require_current

    database = open_record(settings)
    if check:
        require_current(database)
    return database


@app.command()
def upgrade(file: ConfigFile = None, dry_run: DryRun = False) -> None:
    """Bring the database to the newest layout, in one transaction; make it where it is empty.

    Example: mmindustry db upgrade -c mmindustry.yaml
    """
    from mmindustry.clock import SystemClock
    from mmindustry.store.days import ensure_days
    from mmindustry.store.schema import HEAD
    from mmindustry.store.schema import current as current_layout
    from mmindustry.store.schema import upgrade as upgrade_layout

    settings = read_settings(file).settings
    database = database_of(settings, check=False)
    if dry_run:
        print(f"{current_layout(database) or 'empty'} -> {HEAD}")
        return
    before, after = upgrade_layout(database)
    days = ensure_days(database, SystemClock().now().date(), settings.store.days_ahead + 1)
    database.close()
    print(f"{before or 'empty'} -> {after}")
    print(f"made {len(days.made)} day partitions", file=sys.stderr)
    for table in days.busy:
        print(f"{table} is being read; a worker makes its days later", file=sys.stderr)


@app.command()
def current(file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print the layout the database has and the one this version needs; exit 1 if they differ.

    Example: mmindustry db current --json
    """
    from mmindustry.store.schema import HEAD
    from mmindustry.store.schema import current as current_layout

    database = database_of(read_settings(file).settings, check=False)
    found = current_layout(database)
    database.close()
    if as_json:
        print(json.dumps({"current": found, "needed": HEAD, "backend": database.backend}))
    else:
        print(f"{found or 'empty'} (needed: {HEAD})")
    if found != HEAD:
        raise typer.Exit(1)


@app.command()
def retain(
    file: ConfigFile = None, yes: Yes = False, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Delete what is older than the retention of its class; the ledger keeps the count.

    Example: mmindustry db retain --dry-run
    """
    from mmindustry.clock import SystemClock
    from mmindustry.store.archive import open_storage
    from mmindustry.store.retention import Retention

    if not (yes or dry_run):
        raise InputError("this deletes facts for good: look with --dry-run, then say --yes")
    settings = read_settings(file).settings
    database = database_of(settings)
    run = Retention(
        database=database,
        policy=settings.retention,
        now=SystemClock().now(),
        remove=open_storage(settings.archive.url).delete,
        dry_run=dry_run,
    )
    found = run.run()
    database.close()
    if as_json:
        print(json.dumps(dict(found)))
        return
    word = "due" if dry_run else "deleted"
    for name, count in sorted(found.items()):
        print(f"{name:16} {count:>10} {word}")
