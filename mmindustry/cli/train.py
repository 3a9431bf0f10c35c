"""`mmindustry train`."""

import json
import shlex
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmindustry.cli.options import AsJson
from mmindustry.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from mmindustry.training.simulated import Report

_QUICK = {"windows": 480, "machines": 12, "epochs": 4}
_FULL = {"windows": 8_000, "machines": 160, "epochs": 16}


def train(
    simulated: Annotated[
        bool, typer.Option("--simulated", help="On the simulated plant; no data is needed.")
    ] = False,
    windows: Annotated[int | None, typer.Option(help="Labelled windows in all.")] = None,
    machines: Annotated[int | None, typer.Option(help="Machines they come from.")] = None,
    seed: Annotated[int, typer.Option(help="Of machines, windows, split and weights.")] = 7,
    out: Annotated[Path, typer.Option(help="Folder of the new bundle.")] = Path("bundle"),
    work: Annotated[
        Path | None, typer.Option(help="Keep the data set here and use it again.")
    ] = None,
    fusion: Annotated[str, typer.Option(help="Fusion module: late or concat.")] = "late",
    epochs: Annotated[int | None, typer.Option(help="Most passes over the windows.")] = None,
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "simulated",
    workers: Annotated[int, typer.Option(help="Processes that simulate.")] = 2,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small one, in a minute or two.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a bundle and print what it is worth on machines it has never met.

    Example: mmindustry train --simulated --out my-bundle
    """
    if not simulated:
        raise InputError("say what to train on: --simulated is what there is in this version")
    if find_spec("torch") is None:
        raise MissingExtra("train: needs torch; install mmindustry with the extra 'torch'")
    sizes = _QUICK if quick else _FULL
    kept = work or Path(tempfile.mkdtemp(prefix="mmindustry-train-"))
    try:
        report = _run(
            {
                "windows": windows or sizes["windows"],
                "machines": machines or sizes["machines"],
                "seed": seed,
                "out": out,
                "work": kept,
                "name": name,
                "workers": workers,
            },
            {"fusion": fusion, "epochs": epochs or sizes["epochs"]},
        )
    finally:
        if work is None:
            shutil.rmtree(kept, ignore_errors=True)
    _show(report, as_json=as_json)


def _run(settings: dict[str, object], training: dict[str, object]) -> "Report":
    from mmindustry.training.policy import TrainingPolicy
    from mmindustry.training.simulated import SimulatedRun, train_simulated

    typed = shlex.join(["mmindustry", *sys.argv[1:]])
    policy = TrainingPolicy(**training)  # type: ignore[arg-type]  # typed by the options
    run = SimulatedRun(policy=policy, command=typed, **settings)  # type: ignore[arg-type]
    return train_simulated(run, lambda message: print(message, file=sys.stderr, flush=True))


def _show(report: "Report", *, as_json: bool) -> None:
    from mmindustry.training.card import figures_text

    if as_json:
        found = {"bundle": report.bundle, "folder": str(report.folder), "metrics": report.metrics}
        print(json.dumps(found))
        return
    print(figures_text(report.metrics))
    print(f"\nbundle {report.bundle} in {report.folder}")
