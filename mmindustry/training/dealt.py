"""A control: labels dealt at random, learned by heart, and tried on machines never met.

A control that can't fail shows nothing. So the classes are dealt evenly (answering one class gains
nothing), a network is trained by the recipe it controls, weights are kept by the windows it learned
from (the better by heart, the longer), and it must have learned them: what then carries a label to
the other side shows.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.calibration import posterior
from mmindustry.fusion.torch_runtime import TorchRuntime
from mmindustry.training.dataset import DataSet
from mmindustry.training.loop import Attend, Trained, fit
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.scores import macro_f1
from mmindustry.training.split import Rows, in_parts

_DEALS = 1_000
_CHANCE = (0.005, 0.995)
_SEED = 5
_BATCH = 64
_KEPT_BY = 7  # every so many of the windows learned from say which weights are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A macro-F1 and the 99 % interval of the same answers on labels dealt anew."""

    found: float
    chance: float
    low: float
    high: float
    answered: int
    """How many classes were answered at all."""

    @property
    def above(self) -> bool:
        """Whether it is more than chance."""
        return self.found > self.high


@dataclass(frozen=True, slots=True)
class Dealt:
    """What dealt labels came to on the windows learned from, and on machines never met."""

    learned: Score
    unseen: Score

    @property
    def passed(self) -> bool:
        """Whether they were learned by heart and yet tell nothing of other machines."""
        return self.learned.above and not self.unseen.above

    def figures(self) -> dict[str, Any]:
        """Return both scores as plain figures."""
        return {
            "permuted_labels": self.unseen.found,
            "chance": self.unseen.chance,
            "chance_99": [self.unseen.low, self.unseen.high],
            "permuted_by_heart": self.learned.found,
            "by_heart_chance": self.learned.chance,
            "by_heart_chance_99": [self.learned.low, self.learned.high],
            "classes_answered": self.unseen.answered,
        }


def dealt_labels(
    data: DataSet, rows: Rows, unseen: Rows, *, policy: TrainingPolicy, attend: Attend
) -> Dealt:
    """Return what a network is worth on `unseen` that learned dealt labels of `rows`."""
    false = deal(data)
    false.spec = replace(data.spec, fusion=policy.fusion, pooled=False)
    learned_by = {"rows": rows, "validate": rows[::_KEPT_BY]}
    by_heart = replace(policy, keep_by="fault")  # products are not dealt
    trained = fit(false, **learned_by, policy=by_heart, attend=attend)
    fault = false.targets().fault
    learned, elsewhere = (
        _score(_choices(false, trained, at), fault[at], len(false.spec.faults))
        for at in (rows, unseen)
    )
    return Dealt(learned, elsewhere)


def _choices(data: DataSet, trained: Trained, rows: Rows) -> NDArray[np.int64]:
    runtime = TorchRuntime(trained.network)
    said = [runtime.run(data.batch(part)).evidence for part in in_parts(rows, _BATCH)]
    evidence = np.concatenate(said).astype(np.float64)
    chosen: NDArray[np.int64] = posterior(evidence, trained.prior).argmax(axis=1)
    return chosen


def deal(data: DataSet) -> DataSet:
    """Return the windows with faults dealt at random, each class as often as the others.

    A window takes a label of that class that stands somewhere in the data; what is not of the
    fault (the machine, the moment, the product, the needles) stays its own.
    """
    random = np.random.default_rng(_SEED)
    fault = data.targets().fault
    there = np.unique(fault)
    classes = random.permutation(np.resize(there, len(data)))
    donors = [int(random.choice(np.flatnonzero(fault == one))) for one in classes]
    return data.relabelled(
        [
            replace(
                own,
                fault=data.labels[at].fault,
                hours=data.labels[at].hours,
                failed=data.labels[at].failed,
                severity=data.labels[at].severity,
            )
            for own, at in zip(data.labels, donors, strict=True)
        ]
    )


def _score(chosen: NDArray[np.int64], truth: NDArray[np.int64], classes: int) -> Score:
    random = np.random.default_rng(_SEED + 1)
    deals = [macro_f1(random.permutation(chosen), truth, classes) for _ in range(_DEALS)]
    low, high = np.quantile(deals, _CHANCE)
    return Score(
        found=macro_f1(chosen, truth, classes),
        chance=float(np.mean(deals)),
        low=float(low),
        high=float(high),
        answered=len(np.unique(chosen)),
    )
