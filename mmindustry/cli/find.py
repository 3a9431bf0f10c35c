"""`mmindustry find`."""

import json
from typing import Annotated

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.db import database_of
from mmindustry.cli.options import AsJson, ConfigFile


def find(
    text: Annotated[str, typer.Argument(help="What to look for, in a log's words.")] = "",
    file: ConfigFile = None,
    window: Annotated[str, typer.Option(help="Find windows like this one (its id).")] = "",
    modality: Annotated[
        str, typer.Option(help="image, audio or text: what is searched (default for a text: text).")
    ] = "",
    asset: Annotated[str, typer.Option(help="Only at and below this path.")] = "",
    count: Annotated[int, typer.Option("-k", min=1, max=100, help="How many to tell.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Find windows by a text, or windows like one, over the embeddings in the record.

    Text against frames and sound needs a bundle whose modalities share a space
    (`mmindustry train --fusion alignment`).

    Example: mmindustry find "oil under the pump" --modality image
    """
    if bool(text) == bool(window):
        raise typer.BadParameter("give a text, or --window ID")
    from mmindustry.daemon.searching import Finder, Mind
    from mmindustry.fusion.similar import column

    if modality:
        column(modality)
    settings = read_settings(file).settings
    database = database_of(settings)
    try:
        finder = Finder(database, Mind.of(settings, database))
        if window:
            found = finder.by_window(window, asset=asset, modality=modality, k=count)
        else:
            found = finder.by_text(text, modality or "text", asset=asset, k=count)
    finally:
        database.close()
    for one in found:
        said = one["said"] or "-"
        plain = f"{one['likeness']:.3f}\t{one['asset']}\t{one['start']}\t{said}\t{one['window']}"
        print(json.dumps(one) if as_json else plain)
