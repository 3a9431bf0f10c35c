"""Which pictures are copies of each other, by what no mean picture explains."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from mmindustry.training.pictures import read_picture

Planes = NDArray[np.float32]

_THUMBNAIL = (96, 128)
_SAME = 0.9
_ROUNDING = 1e-5


def alike(pictures: Sequence[Path]) -> NDArray[np.str_]:
    """Return a group name for each picture: copies of one photograph share one.

    A copy of a normal picture in the bank would make the bank look better than it is. A fixed
    camera shows the same in every picture, so what counts is the rest: brightness, contrast, the
    mean of all pictures and its small shifts are taken out first, and copies (re-encoded, scaled,
    brightened, shifted or cut by a pixel or so) are those whose rests correlate over 0.9. Exact
    copies share a group in any case.

    Args:
        pictures: All of one product, or of one folder.
    """
    small = np.array([_thumbnail(path) for path in pictures])
    whole = small.reshape(len(small), -1)
    plain = _unit(whole - whole.mean(axis=1, keepdims=True))
    rests = _unit(plain - _explained(plain.reshape(small.shape)))
    _, exact = np.unique(whole, axis=0, return_inverse=True)
    same = (rests @ rests.T > _SAME) | (exact[:, None] == exact)
    _, group = connected_components(same, directed=False)
    return np.array([f"look-{number}" for number in group])


def _thumbnail(path: Path) -> Planes:
    """Return a picture small and grey."""
    grey = cv2.cvtColor(read_picture(path), cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, _THUMBNAIL, interpolation=cv2.INTER_AREA), np.float32)


def _explained(small: Planes) -> Planes:
    """Return what light and small shifts of the mean picture explain of each, flat."""
    mean = small.mean(axis=0, dtype=np.float64)
    down, right = np.gradient(mean)
    basis, _ = np.linalg.qr(np.stack([np.ones_like(mean), mean, down, right]).reshape(4, -1).T)
    flat = small.reshape(len(small), -1)
    return np.asarray((flat @ basis) @ basis.T, np.float32)


def _unit(rows: Planes) -> Planes:
    """Return rows at length 1; what is but rounding becomes 0."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(length > _ROUNDING, rows / np.maximum(length, _ROUNDING), np.float32(0))
