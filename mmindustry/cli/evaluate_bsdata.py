"""`mmindustry evaluate bsdata`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mmindustry.cli.evaluate_cookie import Encoder
from mmindustry.cli.options import DataFolder, JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.clock import SystemClock


def bsdata(
    data: DataFolder,
    encoder: Encoder = "builtin",
    work: Annotated[
        Path | None, typer.Option(help="Keep feature maps here (2 MB a picture) for a next run.")
    ] = None,
    out: JsonOut = None,
) -> None:
    """Find damage on photographs in sequence, one sequence left out, beside what gives it away.

    Example: mmindustry evaluate bsdata --data ../shared/data --encoder builtin
    """
    from mmindustry.training.real.bsdata import evaluate_bsdata

    clock = SystemClock()
    begun = clock.monotonic()
    figures = evaluate_bsdata(data, encoder, said, work=work)
    print("\n".join(_lines(figures)))
    seconds = clock.monotonic() - begun
    print(f"seconds: {seconds:.1f}")
    keep("bsdata", figures, out, seconds=seconds)


def _lines(figures: Mapping[str, Any]) -> Iterator[str]:
    for name, value in figures.items():
        if name == "scored":
            yield from _scored(value)
        elif name == "within_rounds_above_controls":
            for control, margin in value.items():
                yield f"within_rounds_above_{control}: {_told(margin)}"
        elif isinstance(value, Mapping):
            yield f"{name}: {_told(value)}"
        else:
            yield f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}"


def _scored(scored: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'':22}{'within rounds':>15}{'95 %':>17}{'pooled':>10}{'95 %':>17}"
    for name, told in scored.items():
        within, pooled = told["within_rounds_interval"], told["pooled_interval"]
        yield (
            f"{name + ':':22}{told['within_rounds_auroc']:>15.4f}"
            f"{f'{within[0]:.3f}-{within[1]:.3f}':>17}{told['pooled_auroc']:>10.4f}"
            f"{f'{pooled[0]:.3f}-{pooled[1]:.3f}':>17}"
        )
    yield f"within_rounds_pairs: {scored['ours']['within_rounds_pairs']}"


def _told(figure: Mapping[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['value']:.4f} (95 % {low:.4f}-{high:.4f})"
