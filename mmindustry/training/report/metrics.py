"""Figures of a classifier that gives probabilities (numpy only): ranking, confusion, calibration.

`probabilities` is always (windows, classes), rows summing to 1; `truth` (windows,) class indices.
A figure of a class that can't be told (no window of it, or nothing else) is NaN.
"""

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.calibration import calibration_error
from mmindustry.training.scores import auroc, average_precision

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

BINS = 15
"""Bins of equal mass in every calibration figure (learning.md 4.7)."""


def confusion(predicted: Labels, truth: Labels, classes: int) -> NDArray[np.int64]:
    """Return how often each class (row) was told as each class (column), (classes, classes).

    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    cells = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def precision(table: NDArray[np.int64]) -> Array:
    """Return the share of each class's answers that were right; 0 where it was never told."""
    return _share(np.diag(table), table.sum(axis=0), table)


def recall(table: NDArray[np.int64]) -> Array:
    """Return the share of each class's windows that were told; 0 where it has none but is told."""
    return _share(np.diag(table), table.sum(axis=1), table)


def _share(hits: NDArray[np.int64], total: NDArray[np.int64], table: NDArray[np.int64]) -> Array:
    occurs = table.sum(axis=0) + table.sum(axis=1) > 0
    share: Array = np.where(occurs, hits / np.maximum(total, 1), np.nan)
    return share


def one_vs_rest(probabilities: Array, truth: Labels) -> tuple[Array, Array]:
    """Return (AUROC, average precision) of each class against all others, (classes,) each."""
    columns = range(probabilities.shape[1])
    ranked = [auroc(probabilities[:, c], truth == c) for c in columns]
    found = [average_precision(probabilities[:, c], truth == c) for c in columns]
    return np.array(ranked), np.array(found)


def reliability(probabilities: Array, truth: Labels, bins: int = BINS) -> Array:
    """Return (confidence, share right, windows) of each bin of equal mass, (bins, 3)."""
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    rows = [(confidence[part].mean(), right[part].mean(), float(len(part))) for part in parts]
    return np.array(rows, np.float64).reshape(-1, 3)


def class_calibration_error(probabilities: Array, truth: Labels, bins: int = BINS) -> float:
    """Return the calibration error of each class's own probability, mean over the classes.

    Every probability counts, not the leading one's alone (Nixon et al., 2019; equal mass).
    """
    errors = []
    for column in range(probabilities.shape[1]):
        claimed = probabilities[:, column]
        parts = np.array_split(np.argsort(claimed, kind="stable"), min(bins, len(claimed)))
        gaps = [abs((truth[p] == column).mean() - claimed[p].mean()) * len(p) for p in parts]
        errors.append(sum(gaps) / len(truth))
    return float(np.mean(errors))


def debiased_calibration_error(probabilities: Array, truth: Labels, bins: int = BINS) -> float:
    """Return the root mean square calibration error, free of what chance alone adds to it.

    sqrt(max(0, sum_b n_b / n [(a_b - c_b)^2 - a_b (1 - a_b) / (n_b - 1)])): a bin's gap is never
    0 even where all probabilities are true, and the second term takes off just what that adds
    (Kumar, Liang & Ma, NeurIPS 2019, eq. 12). A bin of one window tells nothing and is left out.
    """
    confidence, right, count = reliability(probabilities, truth, bins).T
    told = count > 1
    chance = right[told] * (1.0 - right[told]) / (count[told] - 1.0)
    square = (count[told] * ((right[told] - confidence[told]) ** 2 - chance)).sum() / len(truth)
    return float(np.sqrt(max(0.0, square)))


def calibration_error_floor(
    probabilities: Array, *, draws: int = 100, seed: int = 0, bins: int = BINS
) -> float:
    """Return the mean ECE that these very probabilities would show were every one of them true.

    Answers are drawn as the probabilities say; what is left is the estimate's own noise, about
    sqrt(bins / windows). An ECE near this floor says that nothing is wrong.
    """
    random = np.random.default_rng(seed)
    sums = np.cumsum(probabilities, axis=1)
    last = probabilities.shape[1] - 1
    drawn = (
        np.minimum((random.random((len(sums), 1)) > sums).sum(axis=1), last) for _ in range(draws)
    )
    return float(np.mean([calibration_error(probabilities, truth, bins) for truth in drawn]))
