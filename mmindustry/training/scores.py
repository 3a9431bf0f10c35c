"""Figures of merit (numpy only): macro-F1, chance, ranking, shares, concordance of life."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Counts = NDArray[np.int64]
Values = NDArray[np.float32] | NDArray[np.float64]
Truth = NDArray[np.bool_]

_Z = 1.959964


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


def auroc(scores: Values, positive: Truth) -> float:
    """Return the chance that a positive scores above a negative, ties counting half.

    The rank-sum form (Hanley & McNeil, Radiology 143, 1982); NaN where one side is empty.

    >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    ahead, behind = int(positive.sum()), int((~positive).sum())
    if not ahead or not behind:
        return float("nan")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2.0  # the mean rank of each group of ties
    ranks = middle[place]
    return float((ranks[positive].sum() - ahead * (ahead + 1) / 2.0) / (ahead * behind))


def average_precision(scores: Values, positive: Truth) -> float:
    """Return the average precision: sum over thresholds of (R_n - R_n-1) P_n, NaN where none is.

    Equal scores share a threshold.

    >>> round(average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, False, True])), 3)
    0.833
    """
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores.ravel(), kind="stable")
    ranked, hits = scores.ravel()[order], positive.ravel()[order]
    last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    found = np.cumsum(hits, dtype=np.int64)[last]
    return precision_over(found, last + 1)


def precision_over(found: Counts, taken: Counts) -> float:
    """Return the average precision where `found` of `taken` are true at each falling threshold,
    NaN where none ever is."""
    total = int(found[-1])
    if not total:
        return float("nan")
    gained = np.diff(found, prepend=0) / total
    return float((gained * (found / np.maximum(taken, 1))).sum())


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, JASA 22 (1927) 209-212), NaN of none.

    >>> low, high = wilson(24, 24)
    >>> round(low, 3), round(high, 3)
    (0.862, 1.0)
    """
    if not total:
        return float("nan"), float("nan")
    share, square = hits / total, _Z * _Z
    middle = (share + square / (2 * total)) / (1 + square / total)
    spread = np.sqrt(share * (1 - share) / total + square / (4 * total * total))
    reach = float(_Z * spread / (1 + square / total))
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def mean_interval(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Return (standard error, 95 % interval) of the mean of a few values (Student, Biometrika 6,
    1908); NaN of fewer than two.

    >>> error, (low, high) = mean_interval([0.0, 0.1, 0.2])
    >>> round(error, 4), round(low, 3), round(high, 3)
    (0.0577, -0.148, 0.348)
    """
    from scipy.stats import t  # noqa: PLC0415 - slow to import, and seldom needed

    count = len(values)
    if count < 2:  # noqa: PLR2004 - one value has no spread
        return float("nan"), (float("nan"), float("nan"))
    error = float(np.std(values, ddof=1) / np.sqrt(count))
    reach = float(t.ppf(0.975, count - 1)) * error
    middle = float(np.mean(values))
    return error, (middle - reach, middle + reach)
