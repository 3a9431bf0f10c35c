"""`mmindustry evaluate missing`."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmindustry.cli.options import JsonOut
from mmindustry.cli.outcome import keep, said
from mmindustry.errors import InputError, MissingExtra
from mmindustry.training.policy import (
    PLANT_MACHINES,
    PLANT_SEED,
    PLANT_WINDOWS,
    TRAINED_SHARE,
    TrainingPolicy,
    epochs_for,
)
from mmindustry.training.repeatable import pin_matrices

if TYPE_CHECKING:
    from mmindustry.fusion.bundle import Bundle

_QUICK = {"windows": 600, "machines": 15}
_FULL = {"windows": PLANT_WINDOWS, "machines": PLANT_MACHINES}
_QUICK_EPOCHS = 4
_LEAST_TRAIN = 32


_Windows = Annotated[int | None, typer.Option(min=1, help="Labelled windows in all.")]
_Machines = Annotated[int | None, typer.Option(min=5, help="Machines they come from.")]
_TrainWindows = Annotated[
    int | None,
    typer.Option(
        min=_LEAST_TRAIN, help="Windows each network learns from. Default: all there are."
    ),
]
_Epochs = Annotated[
    int | None, typer.Option(min=1, help="Passes over them; as `train` takes for so many.")
]
_Seed = Annotated[int, typer.Option(min=0, help="Of machines, windows, split and weights.")]
_Judged = Annotated[
    str,
    typer.Option(
        help="Folder of a bundle (or builtin) to be judged, not a new network; its encoders "
        "and fusion are the specialists', --epochs and --set are to be given as it got them."
    ),
]
_Work = Annotated[
    Path | None,
    typer.Option(help="Keep data set and trained cells here, and go on from what stands."),
]
_Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE of any setting of a training, as in `train`."),
]
_Workers = Annotated[int, typer.Option(min=1, help="Processes that simulate.")]
_Quick = Annotated[bool, typer.Option("--quick", help="A small one, in minutes.")]


def missing(
    windows: _Windows = None,
    machines: _Machines = None,
    train_windows: _TrainWindows = None,
    epochs: _Epochs = None,
    seed: _Seed = PLANT_SEED,
    bundle: _Judged = "",
    work: _Work = None,
    settings: _Settings = None,
    workers: _Workers = 2,
    quick: _Quick = False,
    json_out: JsonOut = None,
) -> None:
    """Compare one network for all presence patterns, by the recipe of `train --simulated`, or a
    bundle made so, with a specialist for each.

    Trainings of an hour or two; --work keeps each and goes on from what stands.

    Example: mmindustry evaluate missing --bundle builtin --work missing --json missing.json

    Example: mmindustry evaluate missing --train-windows 1000

    Example: mmindustry evaluate missing --set joint=false
    """
    pin_matrices(os.environ)
    from mmindustry.cli.training import policy_of
    from mmindustry.fusion.bundle import bundle_folder, read_bundle

    if find_spec("torch") is None:
        raise MissingExtra("evaluate missing: needs torch; install mmindustry with extra 'torch'")
    sizes = _QUICK if quick else _FULL
    plan: dict[str, Any] = {
        "windows": sizes["windows"] if windows is None else windows,
        "machines": sizes["machines"] if machines is None else machines,
        "seed": seed,
        "workers": workers,
    }
    learned = round(TRAINED_SHARE * plan["windows"]) if train_windows is None else train_windows
    judged = read_bundle(bundle_folder(bundle)) if bundle else None
    asked: dict[str, Any] = {"epochs": epochs or _passes(learned, quick=quick), "seed": seed}
    if judged is not None:
        asked["fusion"] = judged.manifest.spec.fusion
    policy = policy_of(settings or [], asked)
    began = perf_counter()
    plan["work"] = work or Path(tempfile.mkdtemp(prefix="mmindustry-missing-"))
    try:
        found = _compare(plan, train_windows, policy, judged)
    finally:
        if work is None:
            shutil.rmtree(plan["work"], ignore_errors=True)
    _show(found)
    keep("missing", found, json_out, seconds=perf_counter() - began)


def _passes(learned: int, *, quick: bool) -> int:
    """Return the usual epochs over so many windows.

    Raises:
        InputError: They are too few.
    """
    if learned < _LEAST_TRAIN:
        raise InputError(
            f"{learned} windows to learn from; nothing is learned from less than {_LEAST_TRAIN}: "
            "give more --windows"
        )
    return _QUICK_EPOCHS if quick else epochs_for(learned)


def _compare(
    plan: dict[str, Any], learned: int | None, policy: TrainingPolicy, judged: "Bundle | None"
) -> dict[str, Any]:
    from mmindustry.training.report.missing import MissingRun, compare
    from mmindustry.training.simulated import SimulatedRun, simulated_data, simulated_spec

    spec, pieces = simulated_spec(policy), None
    if judged is not None:
        spec = replace(judged.manifest.spec, members=1, stacked=False, pooled=False)
        pieces = judged.vocabulary
        if policy.fusion != spec.fusion:
            raise InputError(
                f"--set fusion={policy.fusion}: {judged.id} fuses by {spec.fusion}, and so do the "
                "specialists it is compared with"
            )
    cells = plan["work"] / "missing"
    run = MissingRun(train_windows=learned, policy=policy, cells=cells, bundle=judged)
    data = simulated_data(SimulatedRun(**plan), spec, said, vocabulary=pieces)
    return compare(data, run, said)


def _show(found: Mapping[str, Any]) -> None:
    heads = ("whole", "specialist", "difference", "ece")
    print(f"{'pattern':18} {'windows':>8} " + " ".join(f"{head:>11}" for head in heads))
    for name, row in found["patterns"].items():
        told = " ".join(f"{row[head]:11.3f}" for head in heads)
        low, high = row["difference_95"]
        first, last = row["ece_95"]
        print(
            f"{name:18} {row['windows']:8d} {told}   difference {low:+.3f}..{high:+.3f}, "
            f"ece {first:.3f}..{last:.3f}, floor {row['ece_floor']:.3f}"
            f"{'' if row['passed'] else '   FAILED'}"
        )
    print(f"largest_loss: {found['largest_loss']:.4f} (at most {found['limits']['loss']})")
    print(f"largest_ece: {found['largest_ece']:.4f} (at most {found['limits']['ece']})")
    print(f"passed: {'yes' if found['passed'] else 'no'}")
