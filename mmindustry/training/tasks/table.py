"""Classification of one modality by itself: fitted, calibrated and scored by groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.fusion.calibration import calibration_error
from mmindustry.training.folds import grouped_folds
from mmindustry.training.report.intervals import interval
from mmindustry.training.scores import class_f1, macro_f1
from mmindustry.training.tasks.logistic import Logistic, Rows, calibrated, fit_logistic

Names = NDArray[np.str_]

_FOLDS = 5
_NEVER = -1e9
"""Evidence for a class that a fold's training side has not met."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to learn from: features, class and group (what must not be parted) of each."""

    rows: Rows
    labels: Names
    groups: Names

    def __post_init__(self) -> None:
        """Check the sizes.

        Raises:
            InputError: They differ, or nothing is there.
        """
        count = self.rows.shape[0]
        if not count or len(self.labels) != count or len(self.groups) != count:
            raise InputError(
                f"{count} rows, {len(self.labels)} labels, {len(self.groups)} groups: "
                "give one label and one group a row, and a row at least"
            )


def fit_task(table: Table, *, penalty: float, seed: int = 7) -> tuple[Logistic, dict[str, Any]]:
    """Return a calibrated classifier on all rows, and what cross-validation by group says of it.

    The figures and the temperature come from rows whose group had no say in the fold's fit; the
    temperature that the figures are calibrated with is fitted on the other folds' rows.
    """
    evidence, fold_of, classes = cross_fitted(table, penalty=penalty, seed=seed)
    model = fit_logistic(table.rows, table.labels.tolist(), penalty=penalty)
    logged = np.empty_like(evidence)
    for fold in np.unique(fold_of):
        held, rest = fold_of == fold, fold_of != fold
        fitted = calibrated(model, evidence[rest], table.labels[rest].tolist())
        logged[held] = _logged(evidence[held] / fitted.temperature)
    found = figures(logged, classes, table.labels, table.groups)
    return calibrated(model, evidence, table.labels.tolist()), found


def cross_fitted(
    table: Table, *, penalty: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[str, ...]]:
    """Return (evidence (rows, classes), fold of each row, classes) of models that never met a
    row's group."""
    classes = tuple(str(name) for name in np.unique(table.labels))
    evidence = np.full((len(table.labels), len(classes)), _NEVER)
    fold_of = np.zeros(len(table.labels), np.int64)
    count = min(_FOLDS, len(np.unique(table.groups)))
    for number, fold in enumerate(grouped_folds(table.groups, count, seed)):
        labels = table.labels[fold.train].tolist()
        model = fit_logistic(table.rows[fold.train], labels, penalty=penalty)
        columns = np.array([classes.index(name) for name in model.classes])
        evidence[np.ix_(fold.test, columns)] = model.evidence(table.rows[fold.test])
        fold_of[fold.test] = number
    return evidence, fold_of, classes


def figures(
    logged: NDArray[np.float64], classes: Sequence[str], labels: Names, groups: Names
) -> dict[str, Any]:
    """Return macro-F1 with its interval over groups, accuracy, F1 by class, ECE and the control.

    Args:
        logged: (rows, classes) log probabilities of rows held out.
        classes: Their names, in the columns' order.
        labels: (rows,) true classes.
        groups: (rows,) drawn whole in the bootstrap.
    """
    order = {name: k for k, name in enumerate(classes)}
    truth = np.array([order[label] for label in labels], np.int64)
    answer = logged.argmax(axis=1)
    many = len(classes)
    common = np.full(len(truth), np.bincount(truth).argmax(), np.int64)
    blocks = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    low, high = interval(lambda rows: macro_f1(answer[rows], truth[rows], many), blocks)
    each = class_f1(answer, truth, many)
    return {
        "rows": len(truth),
        "groups": len(np.unique(groups)),
        "macro_f1": macro_f1(answer, truth, many),
        "macro_f1_interval": [low, high],
        "accuracy": float((answer == truth).mean()),
        "ece": float(calibration_error(np.exp(logged), truth)),
        "f1": {name: float(each[k]) for k, name in enumerate(classes)},
        "control_majority_macro_f1": macro_f1(common, truth, many),
    }


def _logged(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = evidence - evidence.max(axis=1, keepdims=True)
    logged: NDArray[np.float64] = moved - np.log(np.exp(moved).sum(axis=1, keepdims=True))
    return logged
