"""`mmindustry explain`."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.db import database_of
from mmindustry.cli.options import AsJson, ConfigFile


def explain(
    window: Annotated[str, typer.Argument(help="Id of a window, or of the alarm it raised.")],
    file: ConfigFile = None,
    method: Annotated[
        str,
        typer.Option(help="shapley, occlusion, gradcam, integrated-gradients; empty: all."),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write the explanation and its maps into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain why a window was judged as it was, from its archived evidence.

    Gradient methods need the extra torch (exit 69 where one is asked for without it).

    Example: mmindustry explain 0f3a...c9 --out why
    """
    from mmindustry.daemon.explaining import METHODS, draw
    from mmindustry.daemon.explaining import explain as explained

    methods: tuple[str, ...] = (method,) if method else METHODS
    if not method and find_spec("torch") is None:
        methods = METHODS[:2]
        print("mmindustry: without the extra 'torch': no gradients", file=sys.stderr)
    settings = read_settings(file).settings
    database = database_of(settings)
    try:
        told = explained(settings, database, window, methods)
    finally:
        database.close()
    if out is not None:
        for path in draw(told, out):
            print(f"mmindustry: wrote {path}", file=sys.stderr)
    if as_json:
        print(json.dumps(told.document, ensure_ascii=False))
    else:
        print("\n".join(lines(told.document)))


def lines(document: dict[str, Any]) -> list[str]:
    """Return an explanation for a person at a shell."""
    target, why = document["target"], document.get("why", {})
    told = [
        f"{document['asset']} {document['start']}",
        f"{target['kind']}: {target['name']} {document['probability']:.1%} by {document['bundle']}",
    ]
    told += [f"  share of {name}: {nats:+.2f} nat" for name, nats in why.get("shapley", {}).items()]
    for order in why.get("orders", [])[:4]:
        where = ", ".join(f"{hz:g}" for hz in order["hz"])
        told.append(f"  order {order['name']} ({where} Hz): {order['nats']:+.2f} nat")
    told += [f"  entry {e['time']}: {e['nats']:+.2f} nat" for e in why.get("entries", [])[:3]]
    if gradients := document.get("integrated_gradients"):
        told.append(
            f"  integrated gradients of sound: {gradients['sum']:+.2f} nat of "
            f"{gradients['difference']:+.2f} (gap {gradients['gap']:.3f})"
        )
    nearest = document["nearest_confirmed"]
    told += ["nearest confirmed windows:"] if nearest else ["nearest confirmed: none confirmed yet"]
    told += [f"  {n['named']} {n['likeness']:.3f} {n['asset']} {n['start']}" for n in nearest]
    return told
