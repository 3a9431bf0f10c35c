"""A small classifier: multinomial logistic regression, classes balanced, L2, calibrated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from mmindustry.errors import InputError

Dense = NDArray[np.float64]
Rows = Dense | csr_matrix
"""(rows, features), dense or sparse."""

_TINY = 1e-6
_STEPS = 300
_TEMPERATURES = np.geomspace(0.2, 10.0, 60)


@dataclass(frozen=True, slots=True)
class Logistic:
    """Weights of a fitted classifier, plain arrays."""

    classes: tuple[str, ...]
    weights: Dense
    """(features, classes)."""
    bias: Dense
    """(classes,)."""
    mean: Dense
    scale: Dense
    """(features,): what dense features are standardised by; 0 and 1 for sparse ones."""
    temperature: float = 1.0

    def log_probabilities(self, rows: Rows) -> Dense:
        """Return calibrated log probabilities, (rows, classes)."""
        return _log_softmax(self.evidence(rows) / self.temperature)

    def evidence(self, rows: Rows) -> Dense:
        """Return what speaks for each class before calibration, (rows, classes)."""
        if isinstance(rows, csr_matrix):
            return np.asarray(rows @ self.weights) + self.bias
        return (rows - self.mean) / self.scale @ self.weights + self.bias

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "classes": list(self.classes),
            "weights": self.weights.tolist(),
            "bias": self.bias.tolist(),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "temperature": self.temperature,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Logistic":
        """Return what `to_json` told."""
        arrays = {
            name: np.asarray(told[name], float) for name in ("weights", "bias", "mean", "scale")
        }
        return cls(tuple(told["classes"]), **arrays, temperature=float(told["temperature"]))


def fit_logistic(rows: Rows, labels: Sequence[str], *, penalty: float = 1.0) -> Logistic:
    """Return a classifier in which every class weighs the same, however rare.

    Minimises the mean log loss of classes, each weighed alike, plus `penalty` / 2 times the sum
    of squared weights, by L-BFGS from zero: deterministic, one optimum.

    Args:
        rows: (rows, features); dense ones are standardised by these rows.
        labels: (rows,).
        penalty: Strength of L2, above 0.

    Raises:
        InputError: Fewer than two classes.
    """
    names, truth, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    if len(names) < 2:  # noqa: PLR2004 - nothing to tell apart
        raise InputError(f"a classifier needs two classes, there is only {', '.join(names)!r}")
    mean, scale = _standard(rows)
    scaled = rows if isinstance(rows, csr_matrix) else (rows - mean) / scale
    weigh = (1.0 / (len(names) * counts))[truth]  # (rows,), sums to 1
    width, many = scaled.shape[1], len(names)
    wanted = np.eye(many)[truth]

    def loss(flat: Dense) -> tuple[float, Dense]:
        weights, bias = flat[:-many].reshape(width, many), flat[-many:]
        logged = _log_softmax(np.asarray(scaled @ weights) + bias)
        apart = (np.exp(logged) - wanted) * weigh[:, None]
        slope = np.asarray(scaled.T @ apart) + penalty * weights
        value = -(weigh * (logged * wanted).sum(axis=1)).sum()
        value += penalty / 2 * float(np.square(weights).sum())
        return float(value), np.concatenate([slope.ravel(), apart.sum(axis=0)])

    start = np.zeros(width * many + many)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    return Logistic(
        tuple(str(name) for name in names),
        found[:-many].reshape(width, many),
        found[-many:],
        mean,
        scale,
    )


def calibrated(model: Logistic, evidence: Dense, labels: Sequence[str]) -> Logistic:
    """Return the model with the temperature that fits held-out evidence best (Guo et al., 2017).

    Args:
        model: The classifier.
        evidence: (rows, classes) of rows the evidence's model was not fitted on.
        labels: (rows,) their classes; those unknown to the model are left out.
    """
    place = {name: k for k, name in enumerate(model.classes)}
    known = np.array([label in place for label in labels])
    if not known.any():
        return model
    truth = np.array([place[label] for label in labels if label in place])
    held = evidence[known]
    losses = [
        -_log_softmax(held / heat)[np.arange(len(truth)), truth].mean() for heat in _TEMPERATURES
    ]
    return replace(model, temperature=float(_TEMPERATURES[int(np.argmin(losses))]))


def _standard(rows: Rows) -> tuple[Dense, Dense]:
    if isinstance(rows, csr_matrix):
        return np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    return rows.mean(axis=0), rows.std(axis=0) + _TINY


def _log_softmax(values: Dense) -> Dense:
    moved = values - values.max(axis=1, keepdims=True)
    logged: Dense = moved - np.log(np.exp(moved).sum(axis=1, keepdims=True))
    return logged
