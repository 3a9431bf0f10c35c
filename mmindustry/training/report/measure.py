"""One bundle, one data set, everything that can be said of the two: plain values, no torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.fusion import hazard
from mmindustry.fusion.bundle import Bundle
from mmindustry.fusion.calibration import PATTERNS, posterior
from mmindustry.fusion.judge import Judge
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.predictor import open_runtime
from mmindustry.fusion.runtime import Runtime
from mmindustry.training.coverage import coverage_figures
from mmindustry.training.dataset import DataSet
from mmindustry.training.evaluate import Views, figures, fused_probabilities, view
from mmindustry.training.report.faults import calibrated, classified
from mmindustry.training.report.intervals import episodes_of, interval
from mmindustry.training.report.metrics import one_vs_rest
from mmindustry.training.report.visits import visit_alarms
from mmindustry.training.scores import chance_f1, macro_f1

Array = NDArray[np.float64]

BATCHES = (1, 32)
"""Batch sizes whose cost is told."""

_COST_RUNS = 3
_LEAST_WINDOWS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the report needs of its source: how it is called, and whether its windows are visits."""

    source: str
    visits: bool
    seed: int = 0


def report(bundle: Bundle, data: DataSet, told: Told) -> dict[str, Any]:
    """Return all figures of a bundle on labelled windows, by the runtime that serves it on CPU.

    Raises:
        InputError: There are too few windows.
    """
    if len(data) < _LEAST_WINDOWS:
        raise InputError(f"{told.source}: {len(data)} windows are too few to measure anything by")
    runtime = open_runtime(bundle, FusionPolicy(device="cpu", runtime="onnx"), "cpu")
    views = view(runtime, data, np.arange(len(data)), seed=told.seed)
    return {
        "bundle": {
            "id": bundle.id,
            "fusion": bundle.manifest.spec.fusion,
            "parent": bundle.manifest.parent,
            "command": bundle.manifest.command,
        },
        "data": _data(views, told, data.data_hash()),
        **_Measures(bundle, views).all(),
        **_served(bundle, data, views, told),
        "cpu_milliseconds_a_window": cost(runtime, data),
    }


def cost(runtime: Runtime, data: DataSet) -> dict[str, float]:
    """Return the CPU time of the network alone, milliseconds a window, by batch size.

    The least of three: whatever else the machine does can only add to it.
    """
    found = {}
    for size in BATCHES:
        arrays = data.batch(np.arange(size) % len(data))
        runtime.run(arrays)
        spent = []
        for _ in range(_COST_RUNS):
            begin = process_time()
            for _ in range(max(1, BATCHES[-1] // size)):
                runtime.run(arrays)
            spent.append(process_time() - begin)
        found[f"batch_{size}"] = 1e3 * min(spent) / BATCHES[-1]
    return found


def _data(views: Views, told: Told, digest: str) -> dict[str, Any]:
    truth = views.truth
    return {
        "source": told.source,
        "windows": len(truth.fault),
        "machines": len(set(truth.group.tolist())),
        "episodes": int(episodes_of(truth.group, truth.fault)[-1]) + 1,
        "sha256": digest,
    }


def _served(bundle: Bundle, data: DataSet, views: Views, told: Told) -> dict[str, Any]:
    """Return what sets, intervals and alarms are worth under the prior that serves.

    `coverage` is None where the bundle tells no sets, `alarms` where windows are no visits.
    """
    manifest, prior = bundle.manifest, Judge(bundle.manifest).prior
    held = coverage_figures(
        views, manifest.spec, manifest.calibration, prior=prior, kinds=data.kinds()
    )
    served = fused_probabilities(views, manifest.calibration, prior)
    alarms = visit_alarms(served, views.truth, manifest.spec, manifest.thresholds)
    return {"coverage": held or None, "alarms": alarms if told.visits else None}


class _Measures:
    """The figures of one bundle's answers.

    Fault probabilities stand under the mix of the windows measured; alarms alone are judged under
    the prior that serves.
    """

    def __init__(self, bundle: Bundle, views: Views) -> None:
        self._manifest, self._views = bundle.manifest, views
        self._truth = views.truth.fault
        self._names = bundle.manifest.spec.faults
        counts = np.bincount(self._truth, minlength=len(self._names)) + 1.0  # none impossible
        self._prior: Array = counts / counts.sum()
        self._blocks = episodes_of(views.truth.group, self._truth)

    def all(self) -> dict[str, Any]:
        """Return every figure."""
        calibration = self._manifest.calibration
        likely = fused_probabilities(self._views, calibration, self._prior)
        told = figures(self._views, self._manifest.spec, calibration, self._prior)
        return {
            "faults": classified(likely, self._truth, self._blocks, names=self._names),
            "subsets": dict(self._subsets()),
            "controls": self._controls(likely),
            "product": self._product(),
            "life": {**told["life"], **self._life()},
        }

    def _subsets(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what each of the seven presence patterns is worth, the rest hidden."""
        for name, present in PATTERNS.items():
            rows = self._views.rows_with(name)
            if not rows.any():
                continue
            temperature = self._manifest.calibration.temperature(present)
            likely = posterior(self._views.evidence[name][rows], self._prior, temperature)
            truth, blocks = self._truth[rows], self._blocks[rows]
            measured = calibrated(likely, truth, blocks)
            measured.pop("reliability")
            yield (
                name,
                {
                    "windows": int(rows.sum()),
                    "accuracy": float((likely.argmax(axis=1) == truth).mean()),
                    "macro_f1": _f1(likely, truth, blocks),
                    "macro_auroc": _nanmean(one_vs_rest(likely, truth)[0]),
                    **measured,
                },
            )

    def _controls(self, likely: Array) -> dict[str, Any]:
        """Return what must fail: labels dealt at random, other windows' modalities beside one."""
        classes = len(self._names)
        shuffled = {
            f"shuffled_but_{anchor}": _f1(posterior(said, self._prior), self._truth, self._blocks)
            for anchor, said in self._views.shuffled.items()
        }
        trained = self._manifest.metrics.get("macro_f1", {}).get("permuted_labels")
        return {
            "permuted_labels_macro_f1": chance_f1(
                likely.argmax(axis=1), self._truth, classes, seed=3
            ),
            "trained_on_permuted_labels_macro_f1": trained,
            **shuffled,
        }

    def _product(self) -> dict[str, Any] | None:
        """Return how products are told apart, an empty place too, where the camera sees."""
        truth = self._views.truth
        seen = (truth.product >= 0) & self._views.seen[:, 0]
        if not seen.any():
            return None
        names = self._manifest.spec.products
        said = self._views.natural.product[seen].astype(np.float64)
        counts = np.bincount(truth.product[seen], minlength=len(names)) + 1.0
        flat = np.full(len(names), 1.0)  # the head was trained on its own mix: none is put on it
        likely = posterior(said, flat, self._manifest.product_temperature)
        blocks = episodes_of(truth.group[seen], truth.product[seen])
        found = classified(likely, truth.product[seen], blocks, names=names)
        return {"windows": int(seen.sum()), "good_share": float(counts[0] / counts.sum()), **found}

    def _life(self) -> dict[str, float]:
        """Return the width of the interval of remaining life, as a factor and in hours."""
        curve = hazard.survival(self._views.natural.hazard)
        life = Judge(self._manifest).life_hours(curve)
        return {
            "interval_90_factor": float(np.median(life[:, 2] / np.maximum(life[:, 0], 1e-9))),
            "interval_90_hours": float(np.median(life[:, 2] - life[:, 0])),
        }


def _f1(likely: Array, truth: NDArray[np.int64], blocks: NDArray[np.int64]) -> dict[str, Any]:
    chosen, classes = likely.argmax(axis=1), likely.shape[1]

    def told(rows: NDArray[np.int64]) -> float:
        return macro_f1(chosen[rows], truth[rows], classes)

    return {"value": told(np.arange(len(truth))), "low_high": list(interval(told, blocks))}


def _nanmean(values: Array) -> float:
    found = np.asarray(values, np.float64)
    return float(np.nanmean(found)) if not np.isnan(found).all() else float("nan")
