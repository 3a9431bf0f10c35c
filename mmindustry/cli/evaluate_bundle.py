"""`mmindustry evaluate bundle`."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmindustry.cli.options import JsonOut
from mmindustry.cli.outcome import refuse_no_folder, said, typed
from mmindustry.errors import InputError
from mmindustry.training.repeatable import pin_matrices

if TYPE_CHECKING:
    from mmindustry.fusion.bundle import Bundle
    from mmindustry.training.dataset import DataSet

_WINDOWS_A_MACHINE = 50


def bundle(
    folder: Annotated[str, typer.Argument(help="Folder of a bundle; builtin: the one shipped.")],
    simulated: Annotated[
        bool, typer.Option("--simulated", help="On machines of the simulated plant.")
    ] = False,
    windows: Annotated[
        int, typer.Option(help="Labelled windows to simulate.", min=_WINDOWS_A_MACHINE)
    ] = 1_600,
    seed: Annotated[
        int, typer.Option(help="Of the simulated machines: another than it was trained with.")
    ] = 101,
    data_set: Annotated[
        Path | None, typer.Option(help="Folder of labelled windows, as `train --work` keeps them.")
    ] = None,
    work: Annotated[Path | None, typer.Option(help="Keep the simulated windows here.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that simulate.")] = 2,
    out: Annotated[
        Path | None, typer.Option(help="Write report.html and report.json into this folder.")
    ] = None,
    json_out: JsonOut = None,
) -> None:
    """Report all that a bundle is worth on labelled windows it has never met.

    Example: mmindustry evaluate bundle builtin --simulated --out report
    """
    pin_matrices(os.environ)
    from mmindustry.fusion.bundle import bundle_folder, read_bundle
    from mmindustry.training.report.measure import Told, report
    from mmindustry.training.results import result

    if simulated == (data_set is not None):
        raise InputError("say what to measure on: --simulated, or --data-set FOLDER")
    refuse_no_folder(out=out, work=work)
    began = perf_counter()
    loaded = read_bundle(bundle_folder(folder))
    kept = work or Path(tempfile.mkdtemp(prefix="mmindustry-evaluate-"))
    try:
        data, source = (
            _simulated(loaded, kept, windows=windows, seed=seed, workers=workers)
            if data_set is None
            else _given(loaded, data_set)
        )
        found = report(loaded, data, Told(source=source, visits=simulated, seed=seed))
    finally:
        if work is None:
            shutil.rmtree(kept, ignore_errors=True)
    whole = result("report", found, command=typed(), seconds=perf_counter() - began)
    _write(whole, out, json_out)
    _show(whole["figures"])


def _simulated(
    loaded: "Bundle", work: Path, *, windows: int, seed: int, workers: int
) -> tuple["DataSet", str]:
    from mmindustry.training.report.found import Unmet, make_unmet

    wanted = Unmet(windows=windows, a_machine=_WINDOWS_A_MACHINE, seed=seed, workers=workers)
    return make_unmet(loaded, wanted, work, said), f"simulated plant, seed {seed}"


def _given(loaded: "Bundle", folder: Path) -> tuple["DataSet", str]:
    from mmindustry.training.report.found import find_unmet

    return find_unmet(loaded, folder), folder.name


def _write(whole: Mapping[str, Any], out: Path | None, json_out: Path | None) -> None:
    from mmindustry.training.report.page import page
    from mmindustry.training.results import write_result

    if json_out is not None:
        write_result(json_out, whole)
    if out is not None:
        write_result(out / "report.json", whole)
        (out / "report.html").write_text(page(whole["figures"]), "utf-8")


def _show(found: Mapping[str, Any]) -> None:
    for name, figure in found["faults"].items():
        if name.startswith(("accuracy", "macro_")):
            print(f"{name}: {_interval(figure)}")
    calibration = found["faults"]["calibration"]
    print(f"ece: {_interval(calibration['ece'])} (floor {calibration['ece_floor']:.4f})")
    print(f"brier: {calibration['brier']:.4f}")
    for name, row in found["subsets"].items():
        print(f"{name}: macro-F1 {_interval(row['macro_f1'])}, ECE {_interval(row['ece'])}")
    for name, value in found["controls"].items():
        told = _interval(value) if isinstance(value, Mapping) else json.dumps(value)
        print(f"{name}: {told}")
    for name, row in (found["alarms"] or {}).items():
        if isinstance(row, Mapping):
            print(
                f"alarms of {name}: recall {row['event_recall']:.3f}, "
                f"{row['false_alarms_per_machine_week']:.2f} false a machine-week, "
                f"lead {row['lead_median_hours']:.1f} h (tenth {row['lead_p10_hours']:.1f} h)"
            )


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = (float("nan") if end is None else end for end in figure["low_high"])
    return f"{figure['value']:.4f} [{low:.4f}, {high:.4f}]"
