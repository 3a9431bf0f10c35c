"""`mmindustry evaluate heatmap`."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from mmindustry.cli.evaluate_cookie import figure_lines
from mmindustry.cli.options import JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.clock import SystemClock
from mmindustry.errors import MissingExtra


def heatmap(
    windows: Annotated[int, typer.Option(help="Windows in all, one frame of each.")] = 3_200,
    machines: Annotated[
        int, typer.Option(help="Machines they come from; every fourth is kept for the figures.")
    ] = 64,
    seed: Annotated[int, typer.Option(help="Of machines, windows and training.")] = 7,
    epochs: Annotated[int, typer.Option(help="Passes over the pictures.")] = 10,
    model: Annotated[
        Path | None, typer.Option(help="Keep the network here, as an ONNX model.")
    ] = None,
    out: JsonOut = None,
) -> None:
    """Learn where defects are from masks, and find them on machines never met.

    Example: mmindustry evaluate heatmap --windows 3200 --json heatmap.json
    """
    if find_spec("torch") is None:
        raise MissingExtra("evaluate heatmap: needs torch; install mmindustry with extra 'torch'")
    from mmindustry.training.heatmap_lane import LaneRun, evaluate_lane

    clock = SystemClock()
    begun = clock.monotonic()
    run = LaneRun(windows=windows, machines=machines, seed=seed, epochs=epochs)
    figures, content = evaluate_lane(run, said)
    for name, found in figures.items():
        if isinstance(found, dict):
            print(f"scored: {name}")
            print("\n".join(f"  {line}" for line in figure_lines(found)))
        else:
            print("\n".join(figure_lines({name: found})))
    if model is not None:
        model.write_bytes(content)
    keep("heatmap", figures, out, seconds=clock.monotonic() - begun)
