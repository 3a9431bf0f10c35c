"""Figures of merit of heat maps: average precision over pixels, and AUPIMO (numpy only)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmindustry.training.scores import precision_over

Values = NDArray[np.float32] | NDArray[np.float64]
Truth = NDArray[np.bool_]
Counts = NDArray[np.int64]

BINS = 4_096
_LOWEST, _HIGHEST = 1e-5, 1e-4
_STEPS = 301


def pixel_counts(scores: Values, truth: Truth, low: float, high: float) -> Counts:
    """Return how many pixels fall into each of `BINS` equal bins of scores, shape (2, BINS).

    Row 0 counts pixels without a defect, row 1 those with; what lies outside counts at the ends.
    """
    place = (scores.ravel() - low) * (BINS / (high - low))
    bins = np.clip(place, 0, BINS - 1).astype(np.int64)
    both = np.bincount(bins + BINS * truth.ravel(), minlength=2 * BINS)
    return both.reshape(2, BINS)


def average_precision_of(counts: Counts) -> float:
    """Return the average precision of binned pixels: scores of a bin count as equal."""
    down = np.cumsum(counts[:, ::-1], axis=1)
    return precision_over(down[1], down.sum(axis=0))


def aupimo(
    normal: Sequence[Values], anomalous: Sequence[Values], masks: Sequence[Truth]
) -> NDArray[np.float64]:
    """Return AUPIMO of each anomalous picture, 0..1 (Bertoldo et al., BMVC 2024).

    The area under a picture's own recall over the logarithm of the false-positive rate that
    *normal* pictures share (the mean of their rates), between 1e-5 and 1e-4, over the width of
    that range. 1: every defect pixel is found while one normal pixel in 100,000 is not.

    Args:
        normal: Heat of each normal picture.
        anomalous: Heat of each anomalous picture.
        masks: Where its defect is, same shape; NaN is returned where a mask is empty.
    """
    rates = np.geomspace(_LOWEST, _HIGHEST, _STEPS)
    limits = _thresholds(normal, rates)
    return np.array([_area(h[m], limits, rates) for h, m in zip(anomalous, masks, strict=True)])


def _thresholds(normal: Sequence[Values], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lowest threshold (`score > threshold` is a find) at which each rate is kept."""
    scores = np.concatenate([_top(heat) for heat in normal])
    weights = np.concatenate([np.full(len(_top(h)), 1.0 / (h.size * len(normal))) for h in normal])
    order = np.argsort(-scores, kind="stable")
    scores, rate = scores[order].astype(np.float64), np.cumsum(weights[order])
    first = np.searchsorted(rate, rates * (1 + 1e-9), "right")
    return scores[np.minimum(first, len(scores) - 1)]


def _top(heat: Values) -> Values:
    """Return the pixels that can matter: no more than all shared rates could need."""
    flat = heat.ravel().astype(np.float64)
    count = min(flat.size, max(BINS, flat.size // 8))
    return np.asarray(np.partition(flat, flat.size - count)[flat.size - count :], np.float64)


def _area(inside: Values, limits: NDArray[np.float64], rates: NDArray[np.float64]) -> float:
    if not inside.size:
        return float("nan")
    ordered = np.sort(inside.ravel()).astype(np.float64)
    recall = 1.0 - np.searchsorted(ordered, limits, "right") / ordered.size
    area = np.trapezoid(recall, np.log(rates))
    return float(area / np.log(_HIGHEST / _LOWEST))
