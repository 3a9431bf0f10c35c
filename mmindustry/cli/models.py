"""`mmindustry models ...`: what networks can be made of; needs no torch."""

import json
from typing import Any

import typer

from mmindustry.cli.options import AsJson

app = typer.Typer(help="List encoders, fusions and presets.")


@app.command()
def encoders(as_json: AsJson = False) -> None:
    """List the encoders of each modality; the first is the default.

    Example: mmindustry models encoders
    """
    from mmindustry.fusion.catalogue import ENCODERS, recipe_needs

    rows = [
        {
            "modality": modality,
            "name": name,
            "says": entry.says,
            "parameters": entry.parameters,
            "licence": entry.licence,
            "reads": list(entry.reads),
            "normalisation": entry.normalisation,
            "reference": entry.reference,
            "weights": list(entry.weights),
            "wheel": entry.wheel,
            "sizes": dict(entry.sizes),
            "recipe": recipe_needs({modality: name}),
            "default": number == 0,
        }
        for modality, entries in ENCODERS.items()
        for number, (name, entry) in enumerate(entries.items())
    ]
    _show("encoders", rows, as_json=as_json)


@app.command()
def fusions(as_json: AsJson = False) -> None:
    """List the fusion modules with their equations; the first is the default.

    Example: mmindustry models fusions --json
    """
    from mmindustry.fusion.formulas import FORMULAS

    rows = [
        {
            "name": name,
            "says": formula.equation,
            "parameters": formula.parameters,
            "licence": "Apache-2.0",
            "reads": ["image", "audio", "text"],
            "reference": formula.reference,
            "default": number == 0,
        }
        for number, (name, formula) in enumerate(FORMULAS.items())
    ]
    _show("fusions", rows, as_json=as_json)


@app.command()
def presets(as_json: AsJson = False) -> None:
    """List the classic systems there are by name.

    Example: mmindustry models presets
    """
    from mmindustry.fusion.presets import PRESETS

    rows = [
        {
            "name": name,
            "says": found.says,
            "parameters": found.parameters,
            "licence": found.licence,
            "reads": list(found.reads),
            "reference": found.reference,
            "encoders": dict(found.encoders),
            "fusion": found.fusion,
            "width": found.width,
            "recipe": dict(found.recipe),
            "training": dict(found.training),
        }
        for name, found in PRESETS.items()
    ]
    _show("presets", rows, as_json=as_json)


def _show(noun: str, rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({noun: rows}))
        return
    widest = max(len(_name(row)) for row in rows)
    for row in rows:
        reads = ", ".join(row["reads"])
        print(
            f"{_name(row):<{widest}}  {row['parameters']:>11,} parameters  {row['says']}  "
            f"[{row['reference']}]  reads {reads}  licence {row['licence']}"
        )


def _name(row: dict[str, Any]) -> str:
    modality = row.get("modality")
    return f"{modality}.{row['name']}" if modality else str(row["name"])
