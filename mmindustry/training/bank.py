"""Makes the bank of one modality from embeddings of when nothing was wrong, in order of time."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.bank import Bank, robust_scale
from mmindustry.fusion.novelty import densities, distances

Array = NDArray[np.float32]

CALIBRATED_SHARE = 0.4
"""Share of the windows, the later ones, that calibrate and never enter the bank."""
TRIMMED_SHARE = 0.02
"""Share of the bank's windows, the strangest, left out: some "normal" never is."""
FEW = 400
"""Below so many windows in a bank the normal of other assets helps."""

_KEPT_VARIANCE = 0.9
_FLOOR = 0.1
_OWN = np.float32(0.9)


@dataclass(frozen=True, slots=True)
class Halves:
    """Earlier windows make the bank, later ones calibrate it."""

    earlier: Array
    later: Array


def halves(points: Array) -> Halves:
    """Return embeddings (windows, width) in order of time cut in two."""
    held = int(len(points) * CALIBRATED_SHARE)
    return Halves(points[: len(points) - held], points[len(points) - held :])


def learn_bank(points: Array, references: int, *, others: Array | None = None) -> Bank:
    """Return what embeddings (windows, width) in order of time tell of an asset's normal.

    Args:
        points: At least 20.
        references: Most of them in the bank.
        others: Normal embeddings (any, width) of other assets; where there are few of one's own
            they widen the bank a little, see `mixed`.

    Raises:
        ValueError: Too few embeddings.
    """
    cut = halves(points)
    if len(cut.later) < 2 or len(cut.earlier) < 3:  # noqa: PLR2004 - no spread, no neighbour
        raise ValueError(f"{len(points)} embeddings are too few to learn from")
    kept = trimmed(cut.earlier)
    bare = _framed(kept)
    widened = mixed(kept, others) if others is not None and len(kept) < FEW else kept
    places, _ = bare.on_axes(widened)
    chosen = core_places(places, references)
    known = replace(
        bare, bank=widened[chosen], places=places[chosen], density=densities(places[chosen])
    )
    near, off = known.distances(cut.later)
    robust = np.array([*robust_scale(near), *robust_scale(off)], np.float32)
    known = replace(known, robust=robust)
    return replace(known, calibration=np.sort(known.scores(cut.later)).astype(np.float32))


def trimmed(points: Array) -> Array:
    """Return the points less their strangest 2 %."""
    strange = densities(points)
    kept: Array = points[strange <= np.quantile(strange, 1.0 - TRIMMED_SHARE)]
    return kept


def mixed(points: Array, others: Array) -> Array:
    """Return the points and beside each one nine tenths of it and one of its nearest other.

    MemMixup (Choi et al., "MIXUP memory bank for domain generalised anomalous sound detection",
    DCASE 2023): the few of the target are widened towards what is normal elsewhere.
    """
    if not len(others):
        return points
    nearest = others[distances(points, others).argmin(axis=1)]
    return np.concatenate([points, _OWN * points + (np.float32(1) - _OWN) * nearest])


def core_places(points: Array, largest: int) -> NDArray[np.int64]:
    """Return which points stand for all: `largest` of them by k-centre, in their own order.

    Greedy k-centre (Gonzalez, 1985): each next point is the one farthest from those chosen.
    """
    if len(points) <= largest:
        return np.arange(len(points))
    chosen = [0]
    gap = np.linalg.norm(points - points[0], axis=1)
    while len(chosen) < largest:
        chosen.append(int(gap.argmax()))
        gap = np.minimum(gap, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.sort(np.array(chosen, np.int64))


def core_set(points: Array, largest: int = 5_000) -> Array:
    """Return the points less their strangest 2 %, thinned to `largest` by k-centre."""
    kept = trimmed(points)
    thinned: Array = kept[core_places(kept, largest)]
    return thinned


def _framed(points: Array) -> Bank:
    """Return a bank without references: centre, scale, and the axes of nine tenths of variance."""
    centre = np.median(points, axis=0)
    scale = points.std(axis=0)
    scale = scale + _FLOOR * float(scale.mean()) + np.float32(1e-6)
    even = (points - centre) / scale
    middle = even.mean(axis=0)
    _, values, axes = np.linalg.svd((even - middle).astype(np.float64), full_matrices=False)
    share = np.cumsum(values**2) / max(float(np.sum(values**2)), 1e-12)
    kept = max(1, min(int(np.searchsorted(share, _KEPT_VARIANCE)) + 1, len(values) - 1))
    spread = np.maximum(values[:kept] / np.sqrt(len(points)), 1e-6)
    empty = np.zeros((0,), np.float32)
    return Bank(
        bank=points,
        centre=(centre + scale * middle).astype(np.float32),
        scale=scale.astype(np.float32),
        axes=axes[:kept].astype(np.float32),
        spread=spread.astype(np.float32),
        places=empty,
        density=empty,
        robust=np.array([0, 1, 0, 1], np.float32),
        calibration=empty,
    )
