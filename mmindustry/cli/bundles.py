"""`mmindustry bundles ...`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mmindustry.cli.exits import Exit
from mmindustry.cli.options import AsJson
from mmindustry.errors import BundleError

app = typer.Typer(help="List, check and show bundles.")
Folder = Annotated[str, typer.Argument(help="Folder of a bundle; builtin: the one shipped.")]


@app.command("list")
def list_(
    folder: Annotated[
        str, typer.Argument(help="Folder that holds bundles; builtin: the one shipped.")
    ] = "builtin",
    as_json: AsJson = False,
) -> None:
    """List the bundles in a folder, a damaged one with what is wrong with it.

    Example: mmindustry bundles list /var/lib/mmindustry/bundles
    """
    from mmindustry.fusion.bundle import bundle_folder, list_bundles

    for path in list_bundles(bundle_folder(folder)):
        row = _row(path)
        print(json.dumps(row) if as_json else _line(row))


@app.command()
def verify(folder: Folder = "builtin", as_json: AsJson = False) -> None:
    """Read every byte of a bundle and compare it with its hash; exit 65 where it is damaged.

    Example: mmindustry bundles verify my-bundle
    """
    from mmindustry.fusion.bundle import bundle_folder, read_bundle

    try:
        bundle = read_bundle(bundle_folder(folder))
    except BundleError as error:
        if not as_json:
            raise
        print(json.dumps({"good": False, "error": str(error)}))
        raise typer.Exit(Exit.BAD_DATA) from error
    files = sorted(bundle.manifest.files)
    if as_json:
        print(json.dumps({"good": True, "bundle": bundle.id, "files": files}))
    else:
        print(f"{bundle.id}: good ({', '.join(files)})")


@app.command()
def show(folder: Folder = "builtin", as_json: AsJson = False) -> None:
    """Show a bundle's card: how it was made, its figures, its limits.

    Example: mmindustry bundles show
    """
    from mmindustry.fusion.bundle import bundle_folder, read_bundle

    bundle = read_bundle(bundle_folder(folder))
    if as_json:
        print(json.dumps(bundle.manifest.to_json(), sort_keys=True))
    else:
        print(f"{bundle.id}\n\n{bundle.card}", end="")


def _row(path: Path) -> dict[str, Any]:
    from mmindustry.fusion.bundle import read_manifest

    try:
        manifest = read_manifest(path)
    except BundleError as error:
        return {"folder": str(path), "bundle": None, "error": str(error)}
    return {
        "folder": str(path),
        "bundle": manifest.id,
        "fusion": manifest.spec.fusion,
        "window_seconds": list(manifest.spec.recipe.window_lengths),
        "macro_f1": manifest.metrics.get("macro_f1", {}).get("fused"),
    }


def _line(row: dict[str, Any]) -> str:
    if row["bundle"] is None:
        return f"{row['folder']}\tdamaged: {row['error']}"
    lengths = "/".join(f"{s:g}" for s in row["window_seconds"])
    score = "-" if row["macro_f1"] is None else f"{row['macro_f1']:.3f}"
    return f"{row['bundle']}\t{row['fusion']}\t{lengths} s\tmacro-F1 {score}\t{row['folder']}"
