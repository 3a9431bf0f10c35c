"""`mmindustry schemas ...`: the contract with the plant, generated from the code."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mmindustry.errors import InputError

app = typer.Typer(help="Write or check the contract with the plant.")
FOLDER = Path("schemas")


@app.callback()
def _group() -> None:
    """Write or check the contract with the plant."""


@app.command()
def write(
    folder: Annotated[Path, typer.Argument(help="Where the documents are.")] = FOLDER,
    check: Annotated[bool, typer.Option("--check", help="Write nothing, fail if old.")] = False,
) -> None:
    """Write envelope, payloads, AsyncAPI, OpenAPI, settings and examples as files.

    Example: mmindustry schemas write --check
    """
    for name, text in documents().items():
        file = folder / name
        if check:
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                raise InputError(f"{file} is out of date; run: mmindustry schemas write")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            print(file)


def documents() -> dict[str, str]:
    """Return file name -> text of every document under `schemas/`."""
    from mmindustry.codec import schemas
    from mmindustry.codec.policy import CodecPolicy
    from mmindustry.config.reference import json_schema
    from mmindustry.dashboard.openapi import openapi_text as dashboard_text
    from mmindustry.gateway.contract import openapi_text as gateway_text
    from mmindustry.gateway.contract import plan_schema_text

    return {
        **schemas.documents(CodecPolicy()),
        "config.schema.json": json.dumps(json_schema(), indent=2) + "\n",
        "gateway.openapi.json": gateway_text(),
        "openapi.json": dashboard_text(),
        "plan.schema.json": plan_schema_text(),
    }
