"""`mmindustry evaluate cookie`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mmindustry.cli.options import DataFolder, JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.clock import SystemClock

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
    seconds = clock.monotonic() - begun
    print(f"seconds: {seconds:.1f}")
    keep("cookie", figures, out, seconds=seconds)


def figure_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield `name: value` for each figure, its interval behind it."""
    for name, value in figures.items():
        if not name.endswith("_interval"):
            yield f"{name}: {_number(value)}{_behind(figures.get(f'{name}_interval'))}"


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _behind(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" (95 % {interval[0]:.4f}-{interval[1]:.4f})"
