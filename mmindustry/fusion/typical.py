"""Whether a window looks like anything the network was ever shown (numpy only).

A network answers on whatever it is given. Its embeddings tell more: a window far from the centre
of every class it learned is `unknown`, however sure the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import BundleError
from mmindustry.fusion.novelty import p_values

Array = NDArray[np.float64]

SHARE = 0.01
"""Share of ordinary windows that may be taken for unknown."""

_MOST_SCORES = 600
_DIGITS = 4
_DIRECTIONS = 64
"""Most principal directions of an embedding that distances are measured along."""
_RIDGE = 1e-3
"""Of the mean variance, added to each direction's: held-out windows are few."""


@dataclass(frozen=True, slots=True)
class Typical:
    """Centres of the classes in each modality's embeddings, and how far known windows lie.

    `centres` (modalities, classes, width); `whitening` (modalities, width, directions) brings the
    spread within the classes to 1 in every direction; `scores`: a modality each, ascending
    distances of held-out windows, of machines that the centres they are measured from have not
    seen.
    """

    centres: Array
    whitening: Array
    scores: tuple[NDArray[np.float32], ...]

    def surprise(self, embeddings: NDArray[Any], present: NDArray[np.bool_]) -> Array:
        """Return conformal p-values (batch, modalities), 1 where absent."""
        found = np.ones(present.shape)
        for m, known in enumerate(self.scores):
            there = present[:, m]
            if there.any() and len(known):
                far = distance(embeddings[there, m], self.centres[m], self.whitening[m])
                found[there, m] = p_values(far, known)
        return found

    def strange(self, embeddings: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which windows are like none that is known, (batch,).

        The least p-value counts as often as there are modalities (Bonferroni).
        """
        least = self.surprise(embeddings, present).min(axis=1)
        strange: NDArray[np.bool_] = least * np.maximum(present.sum(axis=1), 1) <= SHARE
        return strange

    def to_json(self) -> dict[str, object]:
        """Return plain JSON, numbers to four digits."""
        return {
            "centres": _rounded(self.centres),
            "whitening": _rounded(self.whitening),
            "scores": [_rounded(row) for row in self.scores],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Typical":
        """Return what `to_json` wrote.

        Raises:
            BundleError: The arrays don't fit each other.
        """
        try:
            centres = np.array(document["centres"], np.float64)
            whitening = np.array(document["whitening"], np.float64)
            scores = tuple(np.array(row, np.float32) for row in document["scores"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"calibration.typical: not readable ({error})") from error
        fits = centres.ndim == whitening.ndim == 3 and whitening.shape[:2] == centres.shape[::2]  # noqa: PLR2004 - as documented
        if not fits or len(scores) != len(centres):
            raise BundleError("calibration.typical: centres, whitening and scores don't fit")
        return cls(centres, whitening, scores)


def distance(points: NDArray[Any], centres: Array, whitening: Array) -> Array:
    """Return the squared Mahalanobis distance to the nearest centre, (points,).

    Class centres with one shared covariance (Lee et al., NeurIPS 2018).
    """
    apart = (points.astype(np.float64) @ whitening)[:, None, :] - (centres @ whitening)[None]
    nearest: Array = (apart**2).sum(axis=2).min(axis=1)
    return nearest


def fit_typical(
    embeddings: NDArray[Any],
    present: NDArray[np.bool_],
    labels: NDArray[np.int64],
    units: NDArray[np.str_],
    *,
    classes: int,
) -> Typical:
    """Return what held-out windows tell: each machine's distances from the others' centres.

    Args:
        embeddings: (windows, modalities, width).
        present: (windows, modalities).
        labels: (windows,) true classes.
        units: (windows,) machines.
        classes: How many there are.
    """
    centres, whitenings, scores = [], [], []
    for m in range(present.shape[1]):
        rows = present[:, m]
        points, truth, machine = embeddings[rows, m], labels[rows], units[rows]
        centre, whitening = _centred(points, truth, classes)
        centres.append(centre)
        whitenings.append(whitening)
        scores.append(_left_out(points, truth, machine, classes))
    return Typical(np.stack(centres), np.stack(whitenings), tuple(scores))


def _centred(points: NDArray[Any], truth: NDArray[np.int64], classes: int) -> tuple[Array, Array]:
    """Return centres (classes, width) and the whitening (width, directions)."""
    whole, width = points.astype(np.float64), points.shape[1]
    overall = whole.mean(axis=0) if len(whole) else np.zeros(width)
    centres = np.stack(
        [whole[truth == c].mean(axis=0) if (truth == c).any() else overall for c in range(classes)]
    )
    apart = whole - centres[truth]
    covariance = apart.T @ apart / max(len(whole), 1)
    variances, directions = np.linalg.eigh(covariance)  # ascending
    variances = np.maximum(variances, 0.0) + _RIDGE * max(float(variances.mean()), _RIDGE)
    kept = slice(max(0, width - _DIRECTIONS), None)
    return centres, directions[:, kept] / np.sqrt(variances[kept])


def _left_out(
    points: NDArray[Any], truth: NDArray[np.int64], machine: NDArray[np.str_], classes: int
) -> NDArray[np.float32]:
    found = []
    for name in np.unique(machine):
        mine = machine == name
        if mine.all():
            return np.zeros(0, np.float32)  # one machine tells nothing of the next
        found.append(distance(points[mine], *_centred(points[~mine], truth[~mine], classes)))
    ordered = np.sort(np.concatenate(found)) if found else np.zeros(0)
    if len(ordered) > _MOST_SCORES:
        ordered = np.quantile(ordered, np.linspace(0, 1, _MOST_SCORES), method="higher")
    scores: NDArray[np.float32] = ordered.astype(np.float32)
    return scores


def _rounded(values: NDArray[Any]) -> Any:
    if values.ndim > 1:
        return [_rounded(row) for row in values]
    return [float(f"{value:.{_DIGITS}g}") for value in values.tolist()]
