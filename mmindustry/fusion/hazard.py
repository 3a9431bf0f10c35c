"""One survival curve per window: risk and remaining life are two readings of it (numpy only)."""

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.spec import NetworkSpec

HORIZONS_HOURS = {"1h": 1.0, "8h": 8.0, "24h": 24.0, "7d": 168.0}
"""The horizons risk is told for."""

QUANTILES = (0.05, 0.5, 0.95)
"""Of remaining life."""

Array = NDArray[np.float64]


def edges_hours(spec: NetworkSpec) -> Array:
    """Return the edges of the time bins in hours, shape (bins + 1,): 0, then log-spaced.

    >>> from mmindustry.features.spec import Recipe
    >>> spec = NetworkSpec(recipe=Recipe(), faults=("healthy",), products=("good",))
    >>> edges_hours(spec)[[0, 1, -1]].round(2).tolist()
    [0.0, 0.25, 2160.0]
    """
    ends = np.geomspace(spec.hazard_first_hours, spec.hazard_last_hours, spec.hazard_bins)
    return np.concatenate([[0.0], ends])


def bin_of(hours: Array, edges: Array) -> NDArray[np.int64]:
    """Return the bin each time falls in, 0..K, where K means beyond the last edge."""
    return np.searchsorted(edges, hours, side="right").astype(np.int64) - 1


def survival(logits: NDArray[np.float32]) -> Array:
    """Return S at every edge, shape (batch, bins + 1), from hazard logits (batch, bins).

    S_k = prod_{j<k} (1 - sigmoid(logit_j)); it starts at 1 and never rises.
    """
    logs = -np.logaddexp(0.0, logits.astype(np.float64))  # log(1 - sigmoid(x))
    start = np.zeros((len(logits), 1))
    curve: Array = np.exp(np.concatenate([start, np.cumsum(logs, axis=1)], axis=1))
    return curve


def survival_at(curve: Array, edges: Array, hours: float) -> Array:
    """Return S(hours) of each curve, shape (batch,).

    Between edges log S runs straight in log time (in time within the first bin).
    """
    if hours >= edges[-1]:
        return curve[:, -1]
    k = int(np.searchsorted(edges, hours, side="right")) - 1
    share = float(_position(edges, np.array([k]), np.array([hours]))[0])
    low, high = np.maximum(curve[:, k], 1e-300), np.maximum(curve[:, k + 1], 1e-300)
    return np.exp((1.0 - share) * np.log(low) + share * np.log(high))


def risk(curve: Array, edges: Array) -> dict[str, Array]:
    """Return P(failure within) each horizon, non-decreasing in the horizon."""
    return {
        name: np.clip(1.0 - survival_at(curve, edges, hours), 0.0, 1.0)
        for name, hours in HORIZONS_HOURS.items()
    }


def remaining_life_hours(curve: Array, edges: Array) -> Array:
    """Return the 5, 50 and 95 % quantiles of remaining life, shape (batch, 3), never crossing.

    A quantile beyond the last edge is that edge: "at least so long".
    """
    return np.stack([_quantile(curve, edges, 1.0 - q) for q in QUANTILES], axis=1)


def _quantile(curve: Array, edges: Array, level: float) -> Array:
    k = np.argmax(curve[:, 1:] <= level, axis=1)  # first bin whose end is at or below
    rows = np.arange(len(curve))
    low = np.log(np.maximum(curve[rows, k], 1e-300))
    high = np.log(np.maximum(curve[rows, k + 1], 1e-300))
    share = np.clip((np.log(level) - low) / np.minimum(high - low, -1e-12), 0.0, 1.0)
    first = share * edges[1]
    begin = np.maximum(edges[k], edges[1] * 1e-6)
    later = begin * (edges[k + 1] / begin) ** share
    reached = curve[:, -1] <= level
    hours: Array = np.where(reached, np.where(k == 0, first, later), edges[-1])
    return hours


def _position(edges: Array, k: NDArray[np.int64], hours: Array) -> Array:
    """Return how far into bin k each time lies, 0..1."""
    begin = np.maximum(edges[k], edges[1] * 1e-6)
    inside = np.log(np.maximum(hours, begin) / begin) / np.log(edges[k + 1] / begin)
    position: Array = np.where(k == 0, hours / edges[1], inside)
    return position
