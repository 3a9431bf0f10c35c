"""Cross-validation that does not fool itself: folds by group, purged in time, nested for choices.

Windows of one machine or one episode look alike, so what shares a group never stands on both
sides; what lies close in time to a tested window of the same machine is left out of training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError

Rows = NDArray[np.int64]
Score = Callable[[str, Rows, Rows], float]
"""A candidate's name, rows to train on, rows to score -> score, higher is better."""

_LEAST_FOLDS = 2


@dataclass(frozen=True, slots=True)
class Purge:
    """What grouping by episode needs besides: begin of each window (seconds), its machine, and how
    near in time to a tested window of its machine none is trained on."""

    times: NDArray[np.float64]
    assets: NDArray[np.str_]
    seconds: float

    def __post_init__(self) -> None:
        """Refuse what would purge nothing without a word."""
        if not (self.seconds >= 0 and np.isfinite(self.times).all()):
            raise InputError(
                "purge: seconds must be at least 0, and the begin of every window is needed"
            )

    def take(self, rows: Rows) -> "Purge":
        """Return it for these rows."""
        return Purge(self.times[rows], self.assets[rows], self.seconds)


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers to train on and to test on, both ascending."""

    train: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class Outer:
    """One outer fold of a nested cross-validation: what the inner folds said of each candidate,
    which was chosen by that, and every candidate's score on the windows that had no say."""

    inner: Mapping[str, tuple[float, ...]]
    chosen: str
    scores: Mapping[str, float]

    @property
    def score(self) -> float:
        """Score of the chosen one on the outer fold."""
        return self.scores[self.chosen]


def grouped_folds(
    groups: NDArray[np.str_], k: int, seed: int, *, purge: Purge | None = None
) -> list[Fold]:
    """Return k folds in which every group is tested once and never trained on at the same time.

    Groups are dealt largest first to the fold that has least, so that folds are about as large.

    Args:
        groups: (windows,) what may not be parted: the machine, or its episode.
        k: Folds, at least 2.
        seed: Of the order in which groups of one size are dealt.
        purge: Where groups are finer than machines: training windows of the same machine that
            begin within so many seconds of a tested one are left out (purging, Lopez de Prado,
            Advances in Financial Machine Learning, 2018, 7.4).

    Raises:
        InputError: Fewer groups than folds, or purging leaves nothing to train on.

    >>> folds = grouped_folds(np.array(["a", "a", "b", "c"]), 2, 0)
    >>> [fold.test.tolist() for fold in folds]
    [[0, 1], [2, 3]]
    """
    names, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if not _LEAST_FOLDS <= k <= len(names):
        raise InputError(
            f"{len(names)} groups can't be dealt to {k} folds: at least 2 folds, and a group each"
        )
    dealt = np.random.default_rng(seed).permutation(len(names))
    home = np.zeros(len(names), np.int64)
    filled = np.zeros(k, np.int64)
    for name in dealt[np.argsort(-sizes[dealt], kind="stable")]:
        home[name] = int(filled.argmin())
        filled[home[name]] += sizes[name]
    fold_of = home[member]
    folds = []
    for number in range(k):
        test = np.flatnonzero(fold_of == number)
        train = np.flatnonzero(fold_of != number)
        if purge is not None and purge.seconds > 0:
            train = train[~_close(train, test, purge)]
        if not len(train):
            raise InputError(
                f"fold {number + 1} of {k}: purging leaves no training window, all begin too near "
                "to a tested one; give fewer folds or a shorter purge"
            )
        folds.append(Fold(train, test))
    return folds


def _close(train: Rows, test: Rows, purge: Purge) -> NDArray[np.bool_]:
    """Return which training rows begin too near to a tested row of the same machine."""
    close, times, machines = np.zeros(len(train), np.bool_), purge.times, purge.assets
    for machine in np.unique(machines[test]):
        tested = np.sort(times[test[machines[test] == machine]])
        mine = np.flatnonzero(machines[train] == machine)
        at = np.searchsorted(tested, times[train[mine]])
        before = np.abs(times[train[mine]] - tested[np.maximum(at - 1, 0)])
        after = np.abs(times[train[mine]] - tested[np.minimum(at, len(tested) - 1)])
        close[mine] = np.minimum(before, after) <= purge.seconds
    return close


def cross_validate(name: str, score: Score, folds: Sequence[Fold]) -> tuple[float, ...]:
    """Return a candidate's score on each fold, trained on the rest."""
    return tuple(score(name, fold.train, fold.test) for fold in folds)


def nested_folds(  # noqa: PLR0913 - what is compared, and how windows are dealt
    candidates: Sequence[str],
    score: Score,
    groups: NDArray[np.str_],
    *,
    k: int,
    seed: int,
    purge: Purge | None = None,
) -> list[Outer]:
    """Return the outer folds of a nested grouped cross-validation.

    In each outer fold the candidates are compared by k inner folds of its training windows, and
    all are scored on its test windows, so that the choosing itself is measured (Cawley & Talbot,
    JMLR 11 (2010) 2079-2107).

    Args:
        candidates: Names, simplest first.
        score: Trains a candidate and scores it.
        groups: (windows,) what may not be parted.
        k: Outer folds, and inner folds of each.
        seed: Of the folds.
        purge: As of `grouped_folds`, of outer and inner folds.

    Raises:
        InputError: Too few groups for k folds within k folds.
    """
    found = []
    for number, fold in enumerate(grouped_folds(groups, k, seed, purge=purge)):
        within = purge and purge.take(fold.train)
        inner = [
            Fold(fold.train[part.train], fold.train[part.test])
            for part in grouped_folds(groups[fold.train], k, seed + 1 + number, purge=within)
        ]
        said = {name: cross_validate(name, score, inner) for name in candidates}
        scores = {name: score(name, fold.train, fold.test) for name in candidates}
        found.append(Outer(said, simplest(said), scores))
    return found


def simplest(scores: Mapping[str, Sequence[float]]) -> str:
    """Return the first candidate whose mean lies within one standard error of the best mean.

    The standard error is that of the best one over its folds (Breiman et al., Classification and
    Regression Trees, 1984, 3.4.3); candidates stand in order, simplest first.

    >>> simplest({"late": (0.60, 0.62), "concat": (0.66, 0.58), "attention": (0.7, 0.71)})
    'attention'
    >>> simplest({"late": (0.60, 0.62), "concat": (0.66, 0.58)})
    'late'
    """
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    best = max(means, key=lambda name: means[name])
    values = np.asarray(scores[best], np.float64)
    error = float(values.std(ddof=1)) / sqrt(len(values)) if len(values) > 1 else 0.0
    return next(name for name, mean in means.items() if mean >= means[best] - error)
