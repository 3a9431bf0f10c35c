"""`mmindustry compress`."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmindustry.cli.exits import Exit
from mmindustry.cli.options import JsonOut
from mmindustry.cli.outcome import keep, said, typed
from mmindustry.errors import MissingExtra
from mmindustry.training.policy import PLANT_MACHINES, PLANT_SEED, PLANT_WINDOWS
from mmindustry.training.repeatable import pin_matrices

if TYPE_CHECKING:
    from mmindustry.fusion.bundle import Bundle
    from mmindustry.training.dataset import DataSet


_Folder = Annotated[str, typer.Argument(help="Folder of a bundle; builtin: the one shipped.")]
_To = Annotated[str, typer.Option("--to", help="int8, pruned or distilled.")]
_Out = Annotated[Path, typer.Option(help="Folder of the new bundle.")]
_DataSet = Annotated[
    Path | None,
    typer.Option(
        help="Folder of labelled windows, none of a machine that the bundle learned from unless "
        "they are those it was trained on, whole; else the simulated plant is asked."
    ),
]
_Windows = Annotated[int, typer.Option(min=1, help="Labelled windows to simulate.")]
_Machines = Annotated[int, typer.Option(min=1, help="Machines they come from.")]
_Seed = Annotated[
    int | None,
    typer.Option(min=0, help="Of windows and split. Default: as the bundle was trained with."),
]
_TrainWindows = Annotated[
    int, typer.Option(help="Windows that pruned and distilled networks learn from, at most.")
]
_Epochs = Annotated[int, typer.Option(min=1, help="Passes over them.")]
_Teacher = Annotated[
    list[str] | None, typer.Option(help="A bundle that teaches too, where it is distilled.")
]
_Work = Annotated[Path | None, typer.Option(help="Keep the data set here and use it again.")]
_Workers = Annotated[int, typer.Option(min=1, help="Processes that simulate.")]

_COMPARED = ("macro_f1", "product_macro_f1", "ece", "alarm_recall", "healthy_over_limit")


def compress(
    folder: _Folder,
    to: _To,
    out: _Out,
    data_set: _DataSet = None,
    windows: _Windows = PLANT_WINDOWS,
    machines: _Machines = PLANT_MACHINES,
    seed: _Seed = None,
    train_windows: _TrainWindows = 4_000,
    epochs: _Epochs = 6,
    teacher: _Teacher = None,
    work: _Work = None,
    workers: _Workers = 2,
    json_out: JsonOut = None,
) -> None:
    """Make a bundle smaller; written only if it passes the gate on held-out machines, else exit 1.

    Example: mmindustry compress builtin --to int8 --out builtin-int8
    """
    pin_matrices(os.environ)
    from mmindustry.fusion.bundle import bundle_folder, read_bundle

    if find_spec("torch") is None or find_spec("onnx") is None:
        raise MissingExtra("compress: needs torch; install mmindustry with the extra 'torch'")
    from mmindustry.training.compress.run import Order
    from mmindustry.training.compress.run import compress as make_smaller
    from mmindustry.training.report.found import learned_seed

    began = perf_counter()
    loaded = read_bundle(bundle_folder(folder))
    asked = (seed, learned_seed(loaded), PLANT_SEED)
    seed = next(one for one in asked if one is not None)
    order = Order(
        bundle=loaded,
        kind=to,
        out=out,
        seed=seed,
        command=typed(),
        epochs=epochs,
        train_windows=train_windows,
        teachers=tuple(read_bundle(bundle_folder(name)) for name in teacher or ()),
    )
    kept = work or Path(tempfile.mkdtemp(prefix="mmindustry-compress-"))
    plan = {"windows": windows, "machines": machines, "seed": seed, "workers": workers}
    try:
        data = _data(loaded, data_set, {**plan, "work": kept})
        found = make_smaller(order, data, said)
    finally:
        if work is None:
            shutil.rmtree(kept, ignore_errors=True)
    _show(found)
    keep(f"compress-{to}", found, json_out, seconds=perf_counter() - began)
    if not found["passed"]:
        raise typer.Exit(Exit.FAILED)


def _data(loaded: "Bundle", folder: Path | None, plan: dict[str, Any]) -> "DataSet":
    from mmindustry.training.learned_from import refuse_other_windows
    from mmindustry.training.report.found import find_data, learned_seed, refuse_met
    from mmindustry.training.simulated import SimulatedRun, simulated_data

    spec = loaded.manifest.spec
    if folder is not None:
        data = find_data(folder, spec)
        whole = data.data_hash() == loaded.manifest.data_hash
        if not (whole and plan["seed"] == learned_seed(loaded)):  # else split as it was trained
            refuse_met(loaded, data, str(folder))
        return data
    data = simulated_data(SimulatedRun(**plan), spec, said, vocabulary=loaded.vocabulary)
    refuse_other_windows(loaded, data)
    return data


def _show(found: Mapping[str, Any]) -> None:
    for how, row in found["tried"].items():
        print(f"{how}:")
        for name in _COMPARED:
            print(f"  {name}: {row['parent'][name]:.4f} -> {row['variant'][name]:.4f}")
        low, high = row["macro_f1_lost_95"]
        print(f"  macro_f1_lost: {row['macro_f1_lost']:+.4f} [{low:+.4f}, {high:+.4f}]")
        print(f"  unlike_over_batch_sizes: {row['unlike_over_batch_sizes']:.2g}")
        for batch, ratio in row["cost"]["variant_over_parent"].items():
            spent = row["cost"]["variant_cpu_ms"][batch]
            print(f"  cpu_ms_a_window ({batch}): {spent:.3f}, {ratio:.2f} of the parent's")
        print(f"  bytes: {row['bytes']['parent']} -> {row['bytes']['variant']}")
        print(f"  passed: {'yes' if row['passed'] else 'no: ' + '; '.join(row['reasons'])}")
    told = f"bundle {found['bundle']} in {found['folder']}" if found["passed"] else "none written"
    print(f"{found['to']} of {found['parent']}: {told}")
