"""`mmindustry train`."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmindustry.cli.options import AsJson
from mmindustry.cli.outcome import refuse_no_folder, typed
from mmindustry.clock import SystemClock
from mmindustry.errors import InputError, Interrupted, MissingExtra
from mmindustry.training.policy import (
    PLANT_MACHINES,
    PLANT_SEED,
    PLANT_WINDOWS,
    TRAINED_SHARE,
)
from mmindustry.training.repeatable import pin_kernels, pin_matrices

if TYPE_CHECKING:
    from mmindustry.training.simulated import Report

_QUICK = {"windows": 480, "machines": 12}
_FULL = {"windows": PLANT_WINDOWS, "machines": PLANT_MACHINES}
_QUICK_EPOCHS = 4
_AS_THEY_ARE = 17
_LARGEST_SEED = 2**32 - 1

_Simulated = Annotated[
    bool, typer.Option("--simulated", help="On the simulated plant; no data is needed.")
]
_Windows = Annotated[int | None, typer.Option(min=1, help="Labelled windows in all.")]
_Machines = Annotated[int | None, typer.Option(min=1, help="Machines they come from.")]
_Seed = Annotated[
    int,
    typer.Option(min=0, max=_LARGEST_SEED, help="Of machines, windows, split and weights."),
]
_Out = Annotated[Path, typer.Option(help="Folder of the new bundle.")]
_Work = Annotated[Path | None, typer.Option(help="Keep the data set here and use it again.")]
_CheckpointFolder = Annotated[
    Path | None,
    typer.Option(
        help="Keep the run here, and go on from what stands here. Default: beside OUT, gone "
        "when the bundle is written."
    ),
]
_FusionName = Annotated[
    str,
    typer.Option(
        help="Fusion module, of those `models fusions` lists. Default: the preset's, or late."
    ),
]
_Epochs = Annotated[
    int | None,
    typer.Option(min=1, help="Most passes over the windows; fewer the more there are."),
]
_Device = Annotated[str, typer.Option(help="auto, cpu or cuda:N.")]
_Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="NAME=VALUE of any setting of a training, such as augment.crop=0.1."
    ),
]
_ListSettings = Annotated[
    bool, typer.Option("--list-settings", help="Print them all, what each means, and stop.")
]
_Search = Annotated[
    int, typer.Option(min=0, help="Settings to try out first, trials done before counted.")
]
_Folds = Annotated[
    int, typer.Option(min=0, help="Folds by machine whose networks may serve as one; 0 = none.")
]
_Tensorboard = Annotated[Path | None, typer.Option(help="Write event files for TensorBoard here.")]
_Name = Annotated[str, typer.Option(help="Name of the bundle.")]
_Workers = Annotated[int, typer.Option(min=1, help="Processes that simulate.")]
_Preset = Annotated[str, typer.Option(help="A classic system, of those `models presets` lists.")]
_Encoder = Annotated[
    list[str] | None,
    typer.Option(help="MODALITY=NAME, such as text=minilm+ngrams; see `models encoders`."),
]
_Weights = Annotated[
    list[str] | None,
    typer.Option(help="MODALITY.ENCODER=SOURCE of pretrained weights, #SHA256 behind it."),
]
_Freeze = Annotated[
    list[str] | None, typer.Option(help="MODALITY.ENCODER left as its weights filled it.")
]
_Quick = Annotated[bool, typer.Option("--quick", help="A small one, in a minute or two.")]


def train(
    simulated: _Simulated = False,
    windows: _Windows = None,
    machines: _Machines = None,
    seed: _Seed = PLANT_SEED,
    out: _Out = Path("bundle"),
    work: _Work = None,
    checkpoint: _CheckpointFolder = None,
    fusion: _FusionName = "",
    epochs: _Epochs = None,
    device: _Device = "auto",
    settings: _Settings = None,
    list_settings: _ListSettings = False,
    search: _Search = 0,
    folds: _Folds = 0,
    tensorboard: _Tensorboard = None,
    name: _Name = "simulated",
    workers: _Workers = 2,
    preset: _Preset = "",
    encoder: _Encoder = None,
    weights: _Weights = None,
    freeze: _Freeze = None,
    quick: _Quick = False,
    as_json: AsJson = False,
) -> None:
    """Train a bundle and print what it is worth on machines it has never met.

    Ctrl-C keeps what was done; the same command goes on from there. Under torchrun all processes
    train one network together.

    Examples: mmindustry train --simulated --out my-bundle

    mmindustry train --simulated --folds 5 --set balance=sampler --tensorboard runs/1

    torchrun --nproc-per-node 2 -m mmindustry train --simulated --out my-bundle

    mmindustry train --simulated --preset cnn-lstm-selfattention --out classic
    """
    pin_kernels(os.environ)  # before torch computes anything
    from mmindustry.cli.training import design_of, policy_of, settings_text, training_of

    if list_settings:
        print(settings_text())
        return
    _need(simulated=simulated, optuna=search > 0)
    amount = _amount(windows, machines, quick=quick)
    asked = {"fusion": fusion, "epochs": _passes(epochs, amount, quick=quick), "device": device}
    kept = _place_of(name, out, checkpoint)
    plan = {
        **amount,
        "seed": seed,
        "out": out,
        "work": work or kept / "data",
        "name": name,
        "workers": workers,
        "policy": policy_of(settings or [], training_of(preset, asked)),
        "design": design_of(preset, encoder or [], weights or [], freeze or []),
        "folds": folds,
        "trials": search,
    }
    report, seconds = _run(plan, kept=kept, tensorboard=tensorboard)
    if report is not None:
        _show(report, gone=None if checkpoint else kept, seconds=seconds, as_json=as_json)


def _place_of(name: str, out: Path, checkpoint: Path | None) -> Path:
    """Return where a run is kept; refuse a bundle's name or folder before hours of training rather
    than behind them.

    Raises:
        InputError: The folder has no name of its own.
        BundleError: The name is none that a bundle may have.
    """
    from mmindustry.fusion.manifest import check_name

    check_name(name)
    if out.name in ("", ".."):
        raise InputError(f"--out {str(out)!r}: give the name of a folder that is not there yet")
    return checkpoint or out.with_name(f"{out.name}-checkpoint")


def _amount(windows: int | None, machines: int | None, *, quick: bool) -> dict[str, int]:
    """Return how many windows of how many machines to train on."""
    usual = _QUICK if quick else _FULL
    return {
        "windows": usual["windows"] if windows is None else windows,
        "machines": usual["machines"] if machines is None else machines,
    }


def _passes(epochs: int | None, amount: Mapping[str, int], *, quick: bool) -> int:
    """Return the epochs asked for, or the usual number for so many windows."""
    from mmindustry.training.policy import epochs_for

    if epochs is not None:
        return epochs
    return _QUICK_EPOCHS if quick else epochs_for(round(TRAINED_SHARE * amount["windows"]))


def _need(*, simulated: bool, optuna: bool) -> None:
    """Refuse to begin without data or the extras that will be needed.

    Raises:
        InputError: Nothing says what to train on.
        MissingExtra: Naming the first of them.
    """
    if not simulated:
        raise InputError("say what to train on: --simulated is what there is in this version")
    for module, extra in (("torch", "torch"), *([("optuna", "tune")] if optuna else [])):
        if find_spec(module) is None:
            raise MissingExtra(
                f"train: needs {module}; install mmindustry with the extra '{extra}'"
            )


def _run(
    plan: dict[str, Any], *, kept: Path, tensorboard: Path | None
) -> "tuple[Report | None, float]":
    """Train as planned, alone or in a team; return the report and the seconds it took.

    Raises:
        Exit: A signal asked for the end (130 or 143); what was done is kept.
        NotWritable: A folder can't be made.
        InputError: What `train_simulated` refuses.
    """
    from dataclasses import replace

    from mmindustry.cli.training import attended
    from mmindustry.daemon.stop import Stop
    from mmindustry.fusion.pretrained import Access
    from mmindustry.training.device import joined, open_device, team_of
    from mmindustry.training.simulated import SimulatedRun, train_simulated

    pin_matrices(os.environ)
    folders = {"out": plan["out"], "work": plan["work"], "checkpoint": kept}
    refuse_no_folder(**folders, tensorboard=tensorboard)
    stop, team, clock = Stop(), team_of(os.environ), SystemClock()
    run: SimulatedRun = SimulatedRun(command=typed(), **plan)
    begun = clock.monotonic()
    with (
        joined(team, open_device(run.policy.device, team.place)),
        attended(
            checkpoint=kept, tensorboard=tensorboard, stop=stop, rank_zero=team.rank == 0
        ) as attend,
    ):
        try:
            joint = replace(attend, team=team, access=Access.of(os.environ))
            return train_simulated(run, joint.tell, joint), clock.monotonic() - begun
        except Interrupted as error:
            print(error, file=sys.stderr)
            raise typer.Exit(stop.exit_code or 1) from error


def _show(report: "Report", *, gone: Path | None, seconds: float, as_json: bool) -> None:
    """Print the figures, as JSON with the command, the commit and the machine that made them; the
    checkpoint that nobody asked to keep has done its work."""
    from mmindustry.training.card import figures_text
    from mmindustry.training.results import plain, result

    if gone is not None:
        shutil.rmtree(gone, ignore_errors=True)
    if as_json:
        told = result("train", {}, command=typed(), seconds=seconds)
        del told["figures"]
        metrics = plain(report.metrics, digits=_AS_THEY_ARE)
        named = {"bundle": report.bundle, "folder": str(report.folder)}
        print(json.dumps({**told, **named, "metrics": metrics}, allow_nan=False))
        return
    print(figures_text(report.metrics))
    print(f"\nbundle {report.bundle} in {report.folder}")
