"""`mmindustry train`."""

import json
import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmindustry.cli.options import AsJson
from mmindustry.errors import InputError, Interrupted, MissingExtra

if TYPE_CHECKING:
    from mmindustry.training.simulated import Report

_QUICK = {"windows": 480, "machines": 12}
_FULL = {"windows": 8_000, "machines": 160}
_QUICK_EPOCHS = 4
_TRAINED_SHARE = 0.68


_Simulated = Annotated[
    bool, typer.Option("--simulated", help="On the simulated plant; no data is needed.")
]
_Windows = Annotated[int | None, typer.Option(help="Labelled windows in all.")]
_Machines = Annotated[int | None, typer.Option(help="Machines they come from.")]
_Seed = Annotated[int, typer.Option(help="Of machines, windows, split and weights.")]
_Out = Annotated[Path, typer.Option(help="Folder of the new bundle.")]
_Work = Annotated[Path | None, typer.Option(help="Keep the data set here and use it again.")]
_CheckpointFolder = Annotated[
    Path | None,
    typer.Option(
        help="Keep the run here, and go on from what stands here. Default: beside OUT, gone "
        "when the bundle is written."
    ),
]
_FusionName = Annotated[str, typer.Option(help="Fusion module, of those `models fusions` lists.")]
_Epochs = Annotated[
    int | None, typer.Option(help="Most passes over the windows; fewer the more there are.")
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
    int, typer.Option(help="Settings to try out first, trials done before counted.")
]
_Folds = Annotated[
    int, typer.Option(help="Folds by machine whose networks may serve as one; 0 = none.")
]
_Tensorboard = Annotated[Path | None, typer.Option(help="Write event files for TensorBoard here.")]
_Name = Annotated[str, typer.Option(help="Name of the bundle.")]
_Workers = Annotated[int, typer.Option(help="Processes that simulate.")]
_Quick = Annotated[bool, typer.Option("--quick", help="A small one, in a minute or two.")]


def train(
    simulated: _Simulated = False,
    windows: _Windows = None,
    machines: _Machines = None,
    seed: _Seed = 7,
    out: _Out = Path("bundle"),
    work: _Work = None,
    checkpoint: _CheckpointFolder = None,
    fusion: _FusionName = "late",
    epochs: _Epochs = None,
    device: _Device = "auto",
    settings: _Settings = None,
    list_settings: _ListSettings = False,
    search: _Search = 0,
    folds: _Folds = 0,
    tensorboard: _Tensorboard = None,
    name: _Name = "simulated",
    workers: _Workers = 2,
    quick: _Quick = False,
    as_json: AsJson = False,
) -> None:
    """Train a bundle and print what it is worth on machines it has never met.

    Ctrl-C keeps what was done; the same command goes on from there. Under torchrun all processes
    train one network together.

    Examples: mmindustry train --simulated --out my-bundle

    mmindustry train --simulated --folds 5 --set balance=sampler --tensorboard runs/1

    torchrun --nproc-per-node 2 -m mmindustry train --simulated --out my-bundle
    """
    from mmindustry.cli.training import policy_of, settings_text
    from mmindustry.training.policy import epochs_for

    if list_settings:
        print(settings_text())
        return
    if not simulated:
        raise InputError("say what to train on: --simulated is what there is in this version")
    _need(optuna=search > 0)
    sizes = _QUICK if quick else _FULL
    count = windows or sizes["windows"]
    usual = _QUICK_EPOCHS if quick else epochs_for(round(_TRAINED_SHARE * count))
    given = {"fusion": fusion, "epochs": epochs or usual, "device": device}
    kept = checkpoint or out.with_name(f"{out.name}-checkpoint")
    plan = {
        "windows": count,
        "machines": machines or sizes["machines"],
        "seed": seed,
        "out": out,
        "work": work or kept / "data",
        "name": name,
        "workers": workers,
        "policy": policy_of(settings or [], given),
        "folds": folds,
        "trials": search,
    }
    report = _run(plan, kept=kept, tensorboard=tensorboard)
    if report is not None:
        _show(report, gone=None if checkpoint else kept, as_json=as_json)


def _need(*, optuna: bool) -> None:
    """Refuse to begin without the extras that will be needed.

    Raises:
        MissingExtra: Naming the first of them.
    """
    for module, extra in (("torch", "torch"), *([("optuna", "tune")] if optuna else [])):
        if find_spec(module) is None:
            raise MissingExtra(
                f"train: needs {module}; install mmindustry with the extra '{extra}'"
            )


def _run(plan: dict[str, Any], *, kept: Path, tensorboard: Path | None) -> "Report | None":
    """Train as planned, alone or in a team.

    Raises:
        Exit: A signal asked for the end (130 or 143); what was done is kept.
    """
    from dataclasses import replace

    from mmindustry.cli.training import attended
    from mmindustry.daemon.stop import Stop
    from mmindustry.training.device import joined, open_device, team_of
    from mmindustry.training.simulated import SimulatedRun, train_simulated

    typed = shlex.join(["mmindustry", *sys.argv[1:]])
    run: SimulatedRun = SimulatedRun(command=typed, **plan)
    stop, team = Stop(), team_of(os.environ)
    with (
        joined(team, open_device(run.policy.device, team.place)),
        attended(
            checkpoint=kept, tensorboard=tensorboard, stop=stop, rank_zero=team.rank == 0
        ) as attend,
    ):
        try:
            return train_simulated(run, attend.tell, replace(attend, team=team))
        except Interrupted as error:
            print(error, file=sys.stderr)
            raise typer.Exit(stop.exit_code or 1) from error


def _show(report: "Report", *, gone: Path | None, as_json: bool) -> None:
    """Print the figures; the checkpoint that nobody asked to keep has done its work."""
    from mmindustry.training.card import figures_text

    if gone is not None:
        shutil.rmtree(gone, ignore_errors=True)
    if as_json:
        found = {"bundle": report.bundle, "folder": str(report.folder), "metrics": report.metrics}
        print(json.dumps(found))
        return
    print(figures_text(report.metrics))
    print(f"\nbundle {report.bundle} in {report.folder}")
