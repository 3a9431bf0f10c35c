"""Figures of merit (numpy only): macro-F1, chance, concordance of remaining life."""

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


def class_f1(predicted: Labels, truth: Labels, classes: int) -> NDArray[np.float64]:
    """Return F1 of each class that occurs in truth or answer, NaN for the others.

    >>> class_f1(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).round(3).tolist()
    [0.667, 0.667]
    """
    hits = np.bincount(truth[predicted == truth], minlength=classes)
    total = np.bincount(predicted, minlength=classes) + np.bincount(truth, minlength=classes)
    scores: NDArray[np.float64] = np.where(total > 0, 2.0 * hits / np.maximum(total, 1), np.nan)
    return scores


def macro_f1(predicted: Labels, truth: Labels, classes: int) -> float:
    """Return the mean F1 over the classes that occur."""
    return float(np.nanmean(class_f1(predicted, truth, classes)))


def chance_f1(predicted: Labels, truth: Labels, classes: int, *, seed: int) -> float:
    """Return the macro-F1 of the same answers dealt to windows at random, mean of 50 deals."""
    random = np.random.default_rng(seed)
    deals = [macro_f1(random.permutation(predicted), truth, classes) for _ in range(50)]
    return float(np.mean(deals))


def concordance(
    expected: NDArray[np.float64], hours: NDArray[np.float64], failed: NDArray[np.bool_]
) -> float:
    """Return Harrell's C: the share of comparable pairs that `expected` life puts in order.

    A pair is comparable where the one that ended first is known to have failed; 0.5 is chance,
    NaN where no pair is comparable.

    >>> concordance(np.array([1.0, 5.0]), np.array([2.0, 9.0]), np.array([True, False]))
    1.0
    """
    first = failed[:, None] & (hours[:, None] < hours[None, :])
    if not first.any():
        return float("nan")
    order = np.sign(expected[None, :] - expected[:, None])
    return float(((order[first] + 1) / 2).mean())
