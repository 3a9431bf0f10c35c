"""How well fault classes are told: every figure with its 95 % interval over episodes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.calibration import brier_score, calibration_error, log_loss
from mmindustry.training.report.intervals import interval, pivotal_interval
from mmindustry.training.report.metrics import (
    calibration_error_floor,
    class_calibration_error,
    confusion,
    debiased_calibration_error,
    one_vs_rest,
    precision,
    recall,
    reliability,
)
from mmindustry.training.scores import chance_f1, class_f1, macro_f1

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def classified(
    likely: Array, truth: Labels, blocks: NDArray[np.int64], *, names: Sequence[str]
) -> dict[str, Any]:
    """Return all figures of classification and calibration as plain values.

    Args:
        likely: (windows, classes) probabilities.
        truth: (windows,) class indices.
        blocks: (windows,) episode of each window: what is resampled whole.
        names: Of the classes.
    """
    classes = len(names)
    chosen = likely.argmax(axis=1)
    table = confusion(chosen, truth, classes)
    ranked, found = one_vs_rest(likely, truth)

    def correct(rows: Labels) -> float:
        return float((chosen[rows] == truth[rows]).mean())

    def mean_f1(rows: Labels) -> float:
        return macro_f1(chosen[rows], truth[rows], classes)

    def mean_precision(rows: Labels) -> float:
        return _mean(precision(confusion(chosen[rows], truth[rows], classes)))

    def mean_recall(rows: Labels) -> float:
        return _mean(recall(confusion(chosen[rows], truth[rows], classes)))

    def mean_auroc(rows: Labels) -> float:
        return _mean(one_vs_rest(likely[rows], truth[rows])[0])

    def mean_found(rows: Labels) -> float:
        return _mean(one_vs_rest(likely[rows], truth[rows])[1])

    statistics = {
        "accuracy": correct,
        "macro_precision": mean_precision,
        "macro_recall": mean_recall,
        "macro_f1": mean_f1,
        "macro_auroc": mean_auroc,
        "macro_average_precision": mean_found,
    }
    every = np.arange(len(truth))
    return {
        **{
            name: {"value": told(every), "low_high": list(interval(told, blocks))}
            for name, told in statistics.items()
        },
        "chance_macro_f1": chance_f1(chosen, truth, classes, seed=1),
        "classes": _each(names, table, class_f1(chosen, truth, classes), ranked, found),
        "confusion": {"classes": list(names), "rows_are_truth": table.tolist()},
        "calibration": calibrated(likely, truth, blocks),
    }


def calibrated(likely: Array, truth: Labels, blocks: NDArray[np.int64]) -> dict[str, Any]:
    """Return how far probabilities mean what they say; `ece_floor`: what noise alone shows."""

    def error(rows: Labels) -> float:
        return calibration_error(likely[rows], truth[rows])

    return {
        "ece": {
            "value": calibration_error(likely, truth),
            "low_high": list(pivotal_interval(error, blocks)),
        },
        "ece_floor": calibration_error_floor(likely),
        "rms_error_debiased": debiased_calibration_error(likely, truth),
        "ece_of_each_class": class_calibration_error(likely, truth),
        "brier": brier_score(likely, truth),
        "log_loss": log_loss(likely, truth),
        "reliability": reliability(likely, truth).tolist(),
    }


def _each(  # noqa: PLR0917 - one column each
    names: Sequence[str],
    table: NDArray[np.int64],
    f1: Array,
    ranked: Array,
    found: Array,
) -> dict[str, Mapping[str, float]]:
    columns = {
        "windows": table.sum(axis=1).astype(np.float64),
        "precision": precision(table),
        "recall": recall(table),
        "f1": f1,
        "auroc": ranked,
        "average_precision": found,
    }
    return {
        name: {column: float(values[at]) for column, values in columns.items()}
        for at, name in enumerate(names)
    }


def _mean(values: Array) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
