"""`mmindustry evaluate missing`."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from mmindustry.cli.outcome import keep, said
from mmindustry.errors import InputError, MissingExtra
from mmindustry.training.policy import (
    PLANT_MACHINES,
    PLANT_WINDOWS,
    TRAINED_SHARE,
    TrainingPolicy,
    epochs_for,
)
from mmindustry.training.repeatable import pin_matrices

_QUICK = {"windows": 600, "machines": 15}
_FULL = {"windows": PLANT_WINDOWS, "machines": PLANT_MACHINES}
_QUICK_EPOCHS = 4
_LEAST_TRAIN = 32


def missing(
    windows: Annotated[int | None, typer.Option(help="Labelled windows in all.")] = None,
    machines: Annotated[int | None, typer.Option(help="Machines they come from.")] = None,
    train_windows: Annotated[
        int | None, typer.Option(help="Windows each network learns from. Default: all there are.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over them; as `train` takes for so many.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of machines, windows, split and weights.")] = 7,
    bundle: Annotated[
        str,
        typer.Option(help="Folder of a bundle (or builtin) to be judged, not a new network."),
    ] = "",
    work: Annotated[
        Path | None,
        typer.Option(help="Keep data set and trained cells here, and go on from what stands."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE of any setting of a training, as in `train`."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that simulate.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="A small one, in minutes.")] = False,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here, as JSON.")
    ] = None,
) -> None:
    """Compare one network for all presence patterns, made as `train --simulated` makes the built-in
    bundle, or that bundle itself, with a specialist for each.

    Trainings of an hour or two; --work keeps each and goes on from what stands.

    Example: mmindustry evaluate missing --bundle builtin --work missing --json missing.json

    Example: mmindustry evaluate missing --train-windows 1000

    Example: mmindustry evaluate missing --set joint=false
    """
    pin_matrices(os.environ)
    from mmindustry.cli.training import policy_of

    if find_spec("torch") is None:
        raise MissingExtra("evaluate missing: needs torch; install mmindustry with extra 'torch'")
    sizes = _QUICK if quick else _FULL
    amount = windows or sizes["windows"]
    usual = _passes(train_windows or round(TRAINED_SHARE * amount), quick=quick)
    policy = policy_of(settings or [], {"epochs": epochs or usual, "seed": seed})
    kept = work or Path(tempfile.mkdtemp(prefix="mmindustry-missing-"))
    began = perf_counter()
    count = machines or sizes["machines"]
    plan = {"windows": amount, "machines": count, "seed": seed, "workers": workers, "work": kept}
    try:
        found = _compare(plan, train_windows, policy, bundle)
    finally:
        if work is None:
            shutil.rmtree(kept, ignore_errors=True)
    _show(found)
    keep("missing", found, json_out, seconds=perf_counter() - began)


def _passes(learned: int, *, quick: bool) -> int:
    """Return the usual epochs over so many windows.

    Raises:
        InputError: They are too few.
    """
    if learned < _LEAST_TRAIN:
        raise InputError(f"--train-windows is {learned}; nothing is learned from less than 32")
    return _QUICK_EPOCHS if quick else epochs_for(learned)


def _compare(
    plan: dict[str, Any], learned: int | None, policy: TrainingPolicy, bundle: str
) -> dict[str, Any]:
    from mmindustry.fusion.bundle import bundle_folder, read_bundle
    from mmindustry.training.report.missing import MissingRun, compare
    from mmindustry.training.simulated import SimulatedRun, simulated_data, simulated_spec

    run = MissingRun(
        train_windows=learned,
        policy=policy,
        cells=plan["work"] / "missing",
        bundle=read_bundle(bundle_folder(bundle)) if bundle else None,
    )
    data = simulated_data(SimulatedRun(**plan), simulated_spec(policy), said)
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
