"""`mmindustry evaluate retrieval`."""

import os
import shutil
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmindustry.cli.options import JsonOut
from mmindustry.cli.outcome import said, typed
from mmindustry.training.repeatable import pin_matrices

if TYPE_CHECKING:
    from mmindustry.fusion.bundle import Bundle
    from mmindustry.training.dataset import DataSet

_WINDOWS_A_MACHINE = 25


def retrieval(
    folder: Annotated[
        str, typer.Argument(help="Folder of a bundle; builtin: the one shipped.")
    ] = "builtin",
    windows: Annotated[int, typer.Option(min=50, help="Windows to simulate.")] = 400,
    seed: Annotated[
        int, typer.Option(help="Of the simulated machines: another than it was trained with.")
    ] = 101,
    data_set: Annotated[
        Path | None, typer.Option(help="Folder of labelled windows, as `train --work` keeps them.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that simulate.")] = 2,
    json_out: JsonOut = None,
) -> None:
    """Measure how often a search finds windows of the same fault, or the very window, by recall@k.

    Text against frames and sound needs a bundle trained with --fusion alignment; of any other
    only windows are searched by windows.

    Example: mmindustry evaluate retrieval my-bundle --windows 800
    """
    pin_matrices(os.environ)
    from mmindustry.fusion.bundle import bundle_folder, read_bundle
    from mmindustry.training.results import result, write_result

    began = perf_counter()
    loaded = read_bundle(bundle_folder(folder))
    kept = Path(tempfile.mkdtemp(prefix="mmindustry-evaluate-"))
    try:
        data = _data(loaded, data_set, kept, wanted=(windows, seed, workers))
        found = _measure(loaded, data)
    finally:
        shutil.rmtree(kept, ignore_errors=True)
    whole = result("retrieval", found, command=typed(), seconds=perf_counter() - began)
    if json_out is not None:
        write_result(json_out, whole)
    for name, value in whole["figures"].items():
        print(f"{name}: {value}")


def _data(
    loaded: "Bundle", given: Path | None, work: Path, *, wanted: tuple[int, int, int]
) -> "DataSet":
    from mmindustry.training.report.found import Unmet, find_unmet, make_unmet

    if given is not None:
        return find_unmet(loaded, given)
    windows, seed, workers = wanted
    unmet = Unmet(windows=windows, a_machine=_WINDOWS_A_MACHINE, seed=seed, workers=workers)
    return make_unmet(loaded, unmet, work, said)


def _measure(loaded: "Bundle", data: "DataSet") -> dict[str, Any]:
    import numpy as np

    from mmindustry.fusion.onnx_runtime import OnnxRuntime
    from mmindustry.fusion.runtime import Raw
    from mmindustry.fusion.similar import Space
    from mmindustry.fusion.weights import unpack
    from mmindustry.training.retrieval import retrieval_figures

    spec = loaded.manifest.spec
    runtime, answers, quality = OnnxRuntime(loaded.model), [], []
    for first in range(0, len(data), 64):
        arrays = data.batch(np.arange(first, min(first + 64, len(data))))
        answers.append(runtime.run(arrays))
        quality.append(arrays["quality"] * (arrays["present"] > 0))
    space = Space.of(spec, unpack(loaded.weights, "weights.safetensors"))
    raw = Raw(*(np.concatenate(parts) for parts in zip(*answers, strict=True)))
    truth = data.targets()
    found = retrieval_figures(raw, np.concatenate(quality), truth, faults=spec.faults, space=space)
    return {"bundle": loaded.id, "fusion": spec.fusion, "shared_space": space.shared, **found}
