"""What a network can do on assets it has never met, beside the controls that must fail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion import hazard
from mmindustry.fusion.calibration import (
    PATTERNS,
    Calibration,
    brier_score,
    calibration_error,
    fit_calibration,
    log_loss,
    posterior,
)
from mmindustry.fusion.runtime import Raw, Runtime
from mmindustry.fusion.spec import EMPTY, GOOD, HEALTHY, NetworkSpec
from mmindustry.training.dataset import Arrays, DataSet, Targets
from mmindustry.training.scores import chance_f1, class_f1, concordance, macro_f1
from mmindustry.training.split import Rows, in_parts

_BATCH = 64
_SEVERE = 0.75
_RISK_HOURS = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What a network said of the same windows in every presence pattern.

    `natural`: what is there as it is, nothing hidden; `seen`: (windows, 3) what is there;
    `evidence`: pattern -> (windows, faults) with the rest hidden; `shuffled`: each modality from
    another window, only the anchor from its own.
    """

    natural: Raw
    seen: NDArray[np.bool_]
    evidence: Mapping[str, NDArray[np.float64]]
    shuffled: Mapping[str, NDArray[np.float64]]
    truth: Targets

    def rows_with(self, pattern: str) -> NDArray[np.bool_]:
        """Return which windows have every modality of a pattern."""
        wanted = np.array(PATTERNS[pattern])
        return np.array([bool(row[wanted].all()) for row in self.seen])


def view(runtime: Runtime, data: DataSet, rows: Rows, *, seed: int) -> Views:
    """Run the network over `rows` in all seven patterns and with pairing shuffled."""
    natural: list[Raw] = []
    evidence: dict[str, list[NDArray[np.float32]]] = {name: [] for name in PATTERNS}
    shuffled: dict[str, list[NDArray[np.float32]]] = {m: [] for m in data.spec.modalities}
    random = np.random.default_rng(seed)
    others = {m: random.permutation(rows) for m in data.spec.modalities}
    seen = []
    for at, part in enumerate(in_parts(rows, _BATCH)):
        arrays = data.batch(part)
        seen.append(arrays["present"] > 0)
        natural.append(runtime.run(arrays))
        for name, present in PATTERNS.items():
            evidence[name].append(runtime.run(hidden(arrays, present)).evidence)
        begin = at * _BATCH
        for anchor in data.spec.modalities:
            mixed = _mixed(
                data,
                arrays,
                anchor,
                {m: others[m][begin : begin + len(part)] for m in data.spec.modalities},
            )
            shuffled[anchor].append(runtime.run(mixed).evidence)
    return Views(
        natural=Raw(*(np.concatenate(parts) for parts in zip(*natural, strict=True))),
        seen=np.concatenate(seen),
        evidence={k: np.concatenate(v).astype(np.float64) for k, v in evidence.items()},
        shuffled={k: np.concatenate(v).astype(np.float64) for k, v in shuffled.items()},
        truth=data.targets().take(rows),
    )


def hidden(arrays: Arrays, present: tuple[bool, ...]) -> Arrays:
    """Return the arrays with only these modalities shown."""
    return {**arrays, "present": arrays["present"] * np.array(present, np.float32)}


def _mixed(data: DataSet, arrays: Arrays, anchor: str, others: Mapping[str, Rows]) -> Arrays:
    """Return the arrays with all modalities but the anchor taken from other windows."""
    mixed = {name: array.copy() for name, array in arrays.items()}
    for column, modality in enumerate(data.spec.modalities):
        if modality == anchor:
            continue
        foreign = data.batch(others[modality])
        mixed |= {name: array for name, array in foreign.items() if name.startswith(modality)}
        for name in ("present", "quality"):
            mixed[name][:, column] = foreign[name][:, column]
    return mixed


def calibrate(views: Views, prior: NDArray[np.float64]) -> Calibration:
    """Return the temperature of each pattern, fitted on the windows that have all of it."""
    rows = {name: views.rows_with(name) for name in PATTERNS}
    return fit_calibration(
        {name: views.evidence[name][rows[name]] for name in PATTERNS},
        {name: views.truth.fault[rows[name]] for name in PATTERNS},
        prior=prior,
    )


def figures(
    views: Views, spec: NetworkSpec, calibration: Calibration, prior: NDArray[np.float64]
) -> dict[str, Any]:
    """Return all figures as plain JSON; `prior` is that of the windows evaluated.

    A pattern is scored on the windows that have all of it; `fused` on all windows as they are.
    """
    classes = len(spec.faults)
    truth = views.truth.fault
    fused = fused_probabilities(views, calibration, prior)
    chosen = fused.argmax(axis=1)
    singles = {name: _pattern_f1(views, name, prior, classes) for name in PATTERNS}
    best = max(spec.modalities, key=lambda name: singles[name])
    anchored = posterior(views.shuffled[best], prior).argmax(axis=1)
    return {
        "macro_f1": {
            "fused": macro_f1(chosen, truth, classes),
            **singles,
            "chance": chance_f1(chosen, truth, classes, seed=1),
            "shuffled_pairing": macro_f1(anchored, truth, classes),
        },
        "best_single": best,
        "f1": _named(spec.faults, class_f1(chosen, truth, classes)),
        "ece": {name: _pattern_ece(views, name, calibration, prior) for name in PATTERNS},
        "ece_as_is": calibration_error(fused, truth),
        "brier": brier_score(fused, truth),
        "log_loss": log_loss(fused, truth),
        "product": _product(views, spec.products),
        "life": _life(views, spec),
    }


def fused_probabilities(
    views: Views, calibration: Calibration, prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return calibrated fault probabilities of the windows as they are, (windows, faults)."""
    return calibrated(views.natural.evidence, views.seen, calibration, prior)


def calibrated(
    evidence: NDArray[Any],
    seen: NDArray[np.bool_],
    calibration: Calibration,
    prior: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return probabilities (windows, faults), each window's temperature by what it `seen`."""
    temperatures = np.array([calibration.temperature(tuple(row)) for row in seen.tolist()])
    return posterior(evidence.astype(np.float64), prior, temperatures)


def alarm_figures(
    views: Views,
    spec: NetworkSpec,
    probabilities: NDArray[np.float64],
    thresholds: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    """Return how single windows stand to the thresholds under the serving prior.

    `healthy_over`: share of healthy windows with any fault over it; `severe_over`: share of
    windows with severity of 0.75 or more whose own fault is over it.
    """
    truth = views.truth
    healthy = truth.fault == spec.faults.index(HEALTHY)
    over = over_threshold(probabilities, spec, thresholds)
    severe = ~healthy & (truth.severity >= _SEVERE)
    own = over[np.arange(len(over)), truth.fault]
    return {
        "healthy_over": _mean(over[healthy].any(axis=1)),
        "severe_over": _mean(own[severe]),
        "severe_other_over": _mean((over.any(axis=1) & ~own)[severe]),
    }


def over_threshold(
    probabilities: NDArray[np.float64],
    spec: NetworkSpec,
    thresholds: Mapping[str, Mapping[str, float]],
) -> NDArray[np.bool_]:
    """Return which faults of which windows are at or over their `on`, (windows, faults)."""
    on = np.array([thresholds.get(name, {}).get("on", 1.0) for name in spec.faults])
    faults = np.array([name != HEALTHY for name in spec.faults])
    over: NDArray[np.bool_] = (probabilities >= on) & faults
    return over


def _pattern_f1(views: Views, pattern: str, prior: NDArray[np.float64], classes: int) -> float:
    rows = views.rows_with(pattern)
    chosen = posterior(views.evidence[pattern][rows], prior).argmax(axis=1)
    return macro_f1(chosen, views.truth.fault[rows], classes)


def _pattern_ece(
    views: Views, pattern: str, calibration: Calibration, prior: NDArray[np.float64]
) -> float:
    rows = views.rows_with(pattern)
    temperature = calibration.temperature(PATTERNS[pattern])
    likely = posterior(views.evidence[pattern][rows], prior, temperature)
    return calibration_error(likely, views.truth.fault[rows])


def _product(views: Views, names: Sequence[str]) -> dict[str, float]:
    """Return how products are told apart, an empty place too, where the camera sees."""
    seen = (views.truth.product >= 0) & views.seen[:, 0]
    truth = views.truth.product[seen]
    chosen = views.natural.product[seen].argmax(axis=1)
    classes = len(names)
    flat = np.full(classes, 1.0)
    fine = [at for at, name in enumerate(names) if name in {GOOD, EMPTY}]
    return {
        "windows": int(seen.sum()),
        "macro_f1": macro_f1(chosen, truth, classes),
        "chance": chance_f1(chosen, truth, classes, seed=2),
        "accuracy": _mean(chosen == truth),
        "defect_or_not": _mean(np.isin(chosen, fine) == np.isin(truth, fine)),
        "ece": calibration_error(
            posterior(views.natural.product[seen].astype(np.float64), flat), truth
        ),
    }


def _life(views: Views, spec: NetworkSpec) -> dict[str, float]:
    """Return how remaining life and the 24 h risk are told, censored windows taken as such."""
    truth, edges = views.truth, hazard.edges_hours(spec)
    known = np.isfinite(truth.hours)
    curve = hazard.survival(views.natural.hazard)
    median = hazard.remaining_life_hours(curve, edges)
    told = hazard.risk(curve, edges)["24h"]
    failed = truth.failed > 0
    decided = known & (failed | (truth.hours > _RISK_HOURS))
    outcome = (failed & (truth.hours <= _RISK_HOURS)).astype(np.float64)
    seen = known & failed & (truth.hours > 0)  # a factor of 0 says nothing
    inside = (truth.hours >= median[:, 0]) & (truth.hours <= median[:, 2])
    return {
        "c_index": concordance(median[known, 1], truth.hours[known], failed[known]),
        "risk_24h_brier": _mean((told - outcome)[decided] ** 2),
        "risk_24h_brier_of_base_rate": float(np.var(outcome[decided])),
        "coverage_90": _mean(inside[seen]),
        "median_error_factor": float(
            np.exp(np.median(np.abs(np.log(median[seen, 1] / truth.hours[seen]))))
        ),
    }


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _named(names: tuple[str, ...], values: NDArray[np.float64]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
