"""What a picture's file and its global look give away: the controls of every picture task."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmindustry.training.pictures import read_picture
from mmindustry.training.scores import auroc

Numbers = NDArray[np.float64]
Truth = NDArray[np.bool_]

_PERCENTILES = (5, 25, 50, 75, 95)
_PENALTY = 1.0
_NEWTON_STEPS = 25


@dataclass(frozen=True, slots=True)
class Looks:
    """Of each picture: (height, width), bytes of its file, eleven numbers of its brightness."""

    shapes: tuple[tuple[int, int], ...]
    file_bytes: Numbers
    brightness: Numbers

    @property
    def pixels(self) -> Numbers:
        """Size of each picture in pixels."""
        return np.array([height * width for height, width in self.shapes], np.float64)


def look_at(paths: Sequence[Path]) -> Looks:
    """Return the looks of pictures."""
    shapes, brightness = [], []
    for path in paths:
        picture = read_picture(path)
        shapes.append((picture.shape[0], picture.shape[1]))
        brightness.append(_brightness(picture))
    sizes = np.array([path.stat().st_size for path in paths], np.float64)
    return Looks(tuple(shapes), sizes, np.array(brightness))


def best_way(scores: Numbers, truth: Truth) -> Numbers:
    """Return the scores or their negative, whichever tells more: a control gets every chance."""
    return scores if not auroc(scores, truth) < 0.5 else -scores  # noqa: PLR2004 - chance


def learned_elsewhere(rows: Numbers, truth: Truth, groups: NDArray[np.str_]) -> Numbers:
    """Return scores by logistic regression that never met a row's group; 0 where none could be."""
    scores = np.zeros(len(rows))
    for group in np.unique(groups):
        own: Truth = groups == group
        rest = truth[~own]
        if rest.any() and not rest.all():
            centre, scale = rows[~own].mean(axis=0), rows[~own].std(axis=0) + 1e-9
            weights = _logistic((rows[~own] - centre) / scale, rest)
            scores[own] = np.c_[(rows[own] - centre) / scale, np.ones(own.sum())] @ weights
    return scores


def _logistic(rows: Numbers, truth: Truth) -> Numbers:
    """Return the weights and the constant of a penalised logistic regression, by Newton's steps."""
    wide = np.c_[rows, np.ones(len(rows))]
    penalty = np.diag(np.r_[np.full(rows.shape[1], _PENALTY), 1e-6])
    weights: Numbers = np.zeros(wide.shape[1])
    for _ in range(_NEWTON_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(wide @ weights, -30, 30)))
        slope = wide.T @ (likely - truth) + penalty @ weights
        bend = (wide * (likely * (1 - likely))[:, None]).T @ wide + penalty
        weights = weights - np.asarray(np.linalg.solve(bend, slope), np.float64)
    return np.asarray(weights, np.float64)


def _brightness(picture: NDArray[np.uint8]) -> Numbers:
    colours = picture.reshape(-1, 3)[::7].astype(np.float64)
    grey = colours.mean(axis=1)
    percentiles = np.percentile(grey, _PERCENTILES)
    return np.concatenate([colours.mean(axis=0), colours.std(axis=0), percentiles])
