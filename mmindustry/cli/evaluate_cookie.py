"""`mmindustry evaluate cookie`."""

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mmindustry.clock import SystemClock

DataFolder = Annotated[
    Path,
    typer.Option("--data", envvar="MMINDUSTRY_DATA", help="Folder laid out as the data's README."),
]
JsonOut = Annotated[
    Path | None, typer.Option("--json", help="Write the result here, as a small JSON file.")
]
Encoder = Annotated[str, typer.Option(help="builtin, efficientnet-lite0, or the control pixels.")]


def cookie(
    data: DataFolder,
    encoder: Encoder = "builtin",
    maps: Annotated[
        Path | None, typer.Option(help="Write each picture with its heat map here, as PNG.")
    ] = None,
    out: JsonOut = None,
) -> None:
    """Tell broken products from normal ones by normal ones alone, with a heat map each.

    Example: mmindustry evaluate cookie --data ../shared/data --encoder builtin
    """
    from mmindustry.training.real.cookie import evaluate_products

    clock = SystemClock()
    begun = clock.monotonic()
    figures = evaluate_products(data, encoder, said, maps=maps)
    for product, found in figures["products"].items():
        print(f"product: {product}")
        print("\n".join(figure_lines(found)))
    keep("cookie", figures, out, seconds=clock.monotonic() - begun)


def said(message: str) -> None:
    """Tell progress on stderr."""
    print(message, file=sys.stderr, flush=True)


def keep(name: str, figures: Mapping[str, Any], out: Path | None, *, seconds: float) -> None:
    """Print how long it took, and write a result file where one is asked for."""
    from mmindustry.training.results import result, write_result

    print(f"seconds: {seconds:.1f}")
    if out is not None:
        typed = shlex.join(["mmindustry", *sys.argv[1:]])
        write_result(out, result(name, figures, command=typed, seconds=seconds))


def figure_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield `name: value` for each figure, its interval behind it."""
    for name, value in figures.items():
        if not name.endswith("_interval"):
            yield f"{name}: {_number(value)}{_behind(figures.get(f'{name}_interval'))}"


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _behind(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" (95 % {interval[0]:.4f}-{interval[1]:.4f})"
