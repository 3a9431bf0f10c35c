"""How far a window lies from its asset's own normal, as a p-value (numpy only).

The bank, the densities and the calibration scores stand in the asset's profile; a job makes them
(`training/profile.py`), serving only reads.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

NEIGHBOURS = 8
"""Nearest references whose mean distance is a reference's density (learning.md 4.6)."""

_CELLS = 4_000_000  # of a distance matrix at once: 32 MB


def array_names(modality: str) -> tuple[str, str, str]:
    """Return the names of a modality's bank, density and calibration arrays in a profile."""
    return f"bank_{modality}", f"density_{modality}", f"calibration_{modality}"


def distances(points: Array, bank: Array) -> NDArray[np.float64]:
    """Return Euclidean distances (points, bank) of rows, computed in double precision."""
    left, right = points.astype(np.float64), bank.astype(np.float64)
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :] - 2.0 * left @ right.T
    result: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0.0))
    return result


def densities(bank: Array, neighbours: int = NEIGHBOURS) -> Array:
    """Return each reference's mean distance to its nearest others, shape (bank,), above 0.

    Raises:
        ValueError: Fewer than two references.
    """
    if len(bank) < 2:  # noqa: PLR2004 - one point has no neighbour
        raise ValueError(f"a bank needs at least 2 references, not {len(bank)}")
    count = min(neighbours, len(bank) - 1)
    means = []
    for rows in _chunks(len(bank), len(bank)):
        between = distances(bank[rows], bank)
        between[np.arange(len(between)), np.arange(rows.start, rows.stop)] = np.inf
        near = np.partition(between, count - 1, axis=1)[:, :count]
        means.append(near.mean(axis=1))
    mean: Array = np.maximum(np.concatenate(means), 1e-6).astype(np.float32)
    return mean


def novelty_scores(points: Array, bank: Array, density: Array) -> NDArray[np.float64]:
    """Return s(x) = min_y d(x, y) / rho(y), shape (points,): 1 = as close as normals lie."""
    parts = [
        (distances(points[rows], bank) / density[None, :]).min(axis=1)
        for rows in _chunks(len(points), len(bank))
    ]
    scores: NDArray[np.float64] = np.concatenate(parts) if parts else np.zeros(0)
    return scores


def _chunks(rows: int, columns: int) -> list[slice]:
    """Return slices of the rows of a matrix, each within the memory that is allowed."""
    size = max(1, _CELLS // max(1, columns))
    return [slice(first, min(first + size, rows)) for first in range(0, rows, size)]


def p_values(scores: NDArray[np.float64], calibration: Array) -> NDArray[np.float64]:
    """Return conformal p-values (1 + #{calibration >= s}) / (n + 1), in (0, 1].

    Under exchangeability P(p <= a) <= a (Vovk et al., 2005). `calibration` comes from normal
    windows that are not in the bank.

    >>> p_values(np.array([0.5, 9.0]), np.array([1.0, 2.0, 3.0], np.float32)).tolist()
    [1.0, 0.25]
    """
    ordered = np.sort(calibration)
    above = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return (1.0 + above.astype(np.float64)) / (len(ordered) + 1.0)
