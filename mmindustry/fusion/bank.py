"""An asset's normal in one modality: two distances from it, told as one p-value (numpy only).

Near a reference, by the references' own density: s(x) = min d(x, y) / rho(y); and off the subspace
that normal fills: the residual of a principal component analysis. Each is held against its own
later normal as a robust z, the larger of the two is the score, and its rank among later normals
the conformal p-value (learning.md 4.6). `training/bank.py` makes banks, serving only reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.novelty import array_names, novelty_scores, p_values

Array = NDArray[np.float32]

_LEAST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """What a profile holds of one modality, as arrays of its own.

    `bank` (references, width): embeddings. `centre` and `scale` (width,) bring one to a common
    scale, `axes` (kept, width) are its principal axes there and `spread` (kept,) the standard
    deviation on each. `places` (references, kept): the bank on those axes, each of spread 1;
    `density` (references,) among them. `robust` (4,): median and scaled MAD of both distances;
    `calibration` (n,): scores of later normals, ascending.
    """

    bank: Array
    centre: Array
    scale: Array
    axes: Array
    spread: Array
    places: Array
    density: Array
    robust: Array
    calibration: Array

    def distances(self, points: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how far embeddings (points, width) lie from the references, and off the axes."""
        within, off = self.on_axes(points)
        return novelty_scores(within, self.places, self.density), off

    def on_axes(self, points: Array) -> tuple[Array, NDArray[np.float64]]:
        """Return the places of embeddings on the axes (points, kept), and what lies off them."""
        even = (points - self.centre) / self.scale
        along = even @ self.axes.T
        off = np.linalg.norm((even - along @ self.axes).astype(np.float64), axis=1)
        return (along / self.spread).astype(np.float32), off

    def scores(self, points: Array) -> NDArray[np.float64]:
        """Return the larger of both robust z of each embedding, shape (points,)."""
        near, off = self.distances(points)
        first, spread, second, other = (float(value) for value in self.robust)
        return np.maximum((near - first) / spread, (off - second) / other)

    def surprise(self, points: Array) -> NDArray[np.float64]:
        """Return the p-value of each embedding, shape (points,)."""
        return p_values(self.scores(points), self.calibration)

    def arrays(self, modality: str) -> dict[str, Array]:
        """Return what stands in a profile, by name."""
        return {f"{field.name}_{modality}": getattr(self, field.name) for field in fields(Bank)}

    @classmethod
    def of(cls, arrays: Mapping[str, Array], modality: str) -> "Bank | None":
        """Return a profile's bank; None where it has none, or one without axes."""
        names = [field.name for field in fields(cls)]
        if any(f"{name}_{modality}" not in arrays for name in names):
            return None
        return cls(**{name: arrays[f"{name}_{modality}"] for name in names})


def robust_scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median and the median absolute deviation, scaled to a normal's deviation."""
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    return middle, max(spread, _LEAST_SPREAD)


def novelty(embedding: Array, arrays: Mapping[str, Array], modality: str) -> float | None:
    """Return the p-value of one embedding (width,); None where the profile has no such bank.

    A profile made before there were axes tells by the distance to its references alone.
    """
    bank, density, calibration = array_names(modality)
    if bank not in arrays:
        return None
    known = Bank.of(arrays, modality)
    if known is not None:
        return float(known.surprise(embedding[None, :])[0])
    scores = novelty_scores(embedding[None, :], arrays[bank], arrays[density])
    return float(p_values(scores, arrays[calibration])[0])
