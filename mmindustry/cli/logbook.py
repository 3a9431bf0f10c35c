"""`mmindustry logbook ...`."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.db import database_of
from mmindustry.cli.options import AsJson, ConfigFile
from mmindustry.errors import InputError

if TYPE_CHECKING:
    from mmindustry.store.queries.surroundings import EntryRow

app = typer.Typer(help="An asset's log in few lines: quoted, ordered, grouped; nothing is written.")

Asset = Annotated[str, typer.Argument(help="Path of the asset.")]
Days = Annotated[float, typer.Option(min=0.01, help="How far back from the asset's newest entry.")]


@app.command()
def summary(
    asset: Asset,
    file: ConfigFile = None,
    days: Days = 7.0,
    lines: Annotated[int, typer.Option(min=1, max=100, help="Most lines to quote.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Quote the lines that tell most of what an asset's log tells, in order of time.

    Lines that say the same are told once, with how often.

    Example: mmindustry logbook summary north/press/line-1/pump-1 --days 30
    """
    from mmindustry.features.logbook import summary as chosen_lines

    rows = _entries(asset, file, days)
    for one in chosen_lines([row.text for row in rows], lines):
        told = _told(rows[one.place]) | {"times": one.times}
        print(json.dumps(told, ensure_ascii=False) if as_json else _line(told))


@app.command()
def clusters(
    asset: Asset, file: ConfigFile = None, days: Days = 90.0, as_json: AsJson = False
) -> None:
    """Group an asset's log lines by what they are about, the largest group first.

    Example: mmindustry logbook clusters north/press/line-1/pump-1
    """
    from mmindustry.features.logbook import clusters as grouped

    rows = _entries(asset, file, days)
    for group in grouped([row.text for row in rows]):
        told = [_told(rows[place]) for place in group.places]
        if as_json:
            print(json.dumps({"terms": group.terms, "entries": told}, ensure_ascii=False))
        else:
            print(f"{len(told)} × {', '.join(group.terms)}")
            print("\n".join(f"  {_line(one)}" for one in told))


def _entries(asset: str, file: Any, days: float) -> "Sequence[EntryRow]":
    from mmindustry.store.database import told_plainly
    from mmindustry.store.queries.plant import read_asset
    from mmindustry.store.queries.scope import Scope
    from mmindustry.store.queries.surroundings import log_of

    database = database_of(read_settings(file).settings)
    try:
        with told_plainly(database), database.read() as connection:
            if read_asset(connection, Scope(), asset) is None:
                raise InputError(f"no such asset: {asset}; see: mmindustry plant list")
            return log_of(connection, asset, days=days)
    finally:
        database.close()


def _told(row: "EntryRow") -> dict[str, Any]:
    return {
        "id": row.event_id,
        "source": row.source,
        "time": row.time.isoformat(),
        "author": row.author,
        "text": row.text,
    }


def _line(told: dict[str, Any]) -> str:
    times = f" (×{told['times']})" if told.get("times", 1) > 1 else ""
    author = f" {told['author']}" if told["author"] else ""
    text = " ".join(str(told["text"]).split())
    return f"{told['time']}{author} [{told['id']}] {text}{times}"
