"""Probabilities that mean what they say: a temperature for each presence pattern (numpy only)."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import BundleError
from mmindustry.features.spec import MODALITIES
from mmindustry.fusion.conformal import (
    ClassSets,
    LifeInterval,
    sets_from_json,
    sets_to_json,
)
from mmindustry.fusion.typical import Typical

Array = NDArray[np.float64]

SHRINKAGE = 200.0
"""Windows at which a pattern's own temperature weighs as much as the global one."""

_GRID = np.exp(np.linspace(np.log(0.25), np.log(8.0), 141))


def pattern_of(present: tuple[bool, ...]) -> str:
    """Return a presence pattern's name.

    >>> pattern_of((True, False, True))
    'image+text'
    """
    return "+".join(m for m, there in zip(MODALITIES, present, strict=True) if there) or "none"


PATTERNS = {
    pattern_of(present): present
    for present in product((True, False), repeat=len(MODALITIES))
    if any(present)
}
"""The seven patterns in which something is present: name -> (image, audio, text)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes answers mean what they say.

    `temperatures`: of the evidence in each presence pattern, above 1 = the network was too sure.
    `sets`, `life`, `typical`: what class sets, the interval of remaining life and `unknown` are
    told by; None = the bundle tells none.
    """

    temperatures: Mapping[str, float]
    sets: ClassSets | None = None
    life: LifeInterval | None = None
    typical: Typical | None = None

    def temperature(self, present: tuple[bool, ...]) -> float:
        """Return the temperature of a pattern; 1 where nothing is present."""
        return self.temperatures.get(pattern_of(present), 1.0)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON."""
        document: dict[str, object] = {"temperatures": dict(self.temperatures)}
        if self.sets:
            document["sets"] = sets_to_json(self.sets)
        if self.life:
            document["life"] = {"level": self.life.level, "stretch": self.life.stretch}
        if self.typical:
            document["typical"] = self.typical.to_json()
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> "Calibration":
        """Return what `to_json` wrote.

        Raises:
            BundleError: A pattern is missing or a temperature is not a positive number.
        """
        found = document.get("temperatures")
        if not isinstance(found, Mapping) or set(found) != set(PATTERNS):
            raise BundleError(f"calibration: temperatures are needed for {', '.join(PATTERNS)}")
        if not all(isinstance(t, int | float) and 0 < t < np.inf for t in found.values()):
            raise BundleError("calibration: every temperature must be a positive number")
        sets, typical = document.get("sets"), document.get("typical")
        return cls(
            {str(name): float(t) for name, t in found.items()},
            sets_from_json(sets) if isinstance(sets, Mapping) else None,
            _life(document.get("life")),
            Typical.from_json(typical) if isinstance(typical, Mapping) else None,
        )

    @classmethod
    def neutral(cls) -> "Calibration":
        """Return temperatures of 1."""
        return cls(dict.fromkeys(PATTERNS, 1.0))


def _life(document: object) -> LifeInterval | None:
    if not isinstance(document, Mapping):
        return None
    try:
        found = LifeInterval(float(document["level"]), float(document["stretch"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"calibration.life: not readable ({error})") from error
    if not 0 < found.level < 1 or not np.isfinite(found.stretch):
        raise BundleError("calibration.life: level must lie in 0..1, stretch must be finite")
    return found


def posterior(evidence: Array, prior: Array, temperature: Array | float = 1.0) -> Array:
    """Return p(c | x) from evidence in nats (batch, classes): softmax(log prior + evidence / T).

    >>> posterior(np.zeros((1, 2)), np.array([0.9, 0.1])).tolist()
    [[0.9, 0.1]]
    """
    scale = np.asarray(temperature, np.float64).reshape(-1, 1)
    logits = np.log(prior) + evidence.astype(np.float64) / scale
    logits = logits - logits.max(axis=1, keepdims=True)
    likely: Array = np.exp(logits)
    likely /= likely.sum(axis=1, keepdims=True)
    return likely


def log_loss(probabilities: Array, labels: NDArray[np.int64]) -> float:
    """Return the mean negative log probability of the true class in nats."""
    picked = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(picked, 1e-12)).mean())


def fit_temperature(evidence: Array, labels: NDArray[np.int64], prior: Array) -> float:
    """Return the temperature (0.25..8) with the lowest log loss; 1 where there is no window."""
    if not len(labels):
        return 1.0
    losses = [log_loss(posterior(evidence, prior, float(t)), labels) for t in _GRID]
    return float(_GRID[int(np.argmin(losses))])


def fit_calibration(
    evidence: Mapping[str, Array], labels: Mapping[str, NDArray[np.int64]], *, prior: Array
) -> Calibration:
    """Return temperatures fitted on held-out windows (Guo et al., ICML 2017), one a pattern.

    Args:
        evidence: Pattern -> (windows, classes) evidence with only that pattern shown.
        labels: Pattern -> (windows,) class indices.
        prior: (classes,) class probabilities the evidence is relative to.

    A pattern with few windows is drawn to the temperature of all (in log, `SHRINKAGE`).
    """
    everything = np.concatenate([evidence[p] for p in PATTERNS])
    overall = fit_temperature(everything, np.concatenate([labels[p] for p in PATTERNS]), prior)
    temperatures = {}
    for pattern in PATTERNS:
        count = len(labels[pattern])
        own = fit_temperature(evidence[pattern], labels[pattern], prior)
        share = count / (count + SHRINKAGE)
        temperatures[pattern] = float(np.exp(share * np.log(own) + (1 - share) * np.log(overall)))
    return Calibration(temperatures)


def calibration_error(probabilities: Array, labels: NDArray[np.int64], bins: int = 15) -> float:
    """Return the expected calibration error of the leading class over equal-mass bins, 0..1.

    ECE = sum_b n_b / n |accuracy_b - confidence_b| (Naeini et al., AAAI 2015; equal mass as in
    Nixon et al., 2019).

    >>> calibration_error(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 0]))
    0.0
    """
    if not len(labels):
        return 0.0
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [len(part) * abs(right[part].mean() - confidence[part].mean()) for part in parts]
    return float(sum(gaps) / len(labels))


def brier_score(probabilities: Array, labels: NDArray[np.int64]) -> float:
    """Return the mean squared distance to the truth, 0..2."""
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())
