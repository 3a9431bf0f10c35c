"""What a compressed network must keep, on machines neither it nor its parent has met.

At most one point of macro-F1 lost, of faults and of products, at most 0.01 more calibration error,
no event fewer caught at the same budget of false alarms, and the same answers at every batch size
that is served.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.calibration import Calibration, calibration_error, posterior
from mmindustry.fusion.runtime import Runtime
from mmindustry.fusion.spec import HEALTHY
from mmindustry.training.dataset import DataSet, Targets
from mmindustry.training.report.intervals import episodes_of, interval
from mmindustry.training.report.measure import cost
from mmindustry.training.scores import macro_f1
from mmindustry.training.split import Rows, Split, in_parts

Array = NDArray[np.float64]

MOST_F1_LOST = 0.01
"""Macro-F1 that may be lost, of faults and of products."""
MOST_ECE_ADDED = 0.01
"""Calibration error that may be added."""
MOST_UNLIKE = 1e-3
"""How far a probability may move with the number of windows judged at once."""
BATCHES = (1, 2, 7, 32)
"""Batch sizes that are served: one alone, few, an odd number, a full one."""
HEALTHY_ALARMS = 0.025
"""Share of healthy windows over the limit: 0.7 false alarms a machine-week of six-hour visits."""

_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A network as it serves."""

    runtime: Runtime
    calibration: Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What both networks are judged by.

    `split`: `validate` sets the limit of alarms, `test` gives the figures. `prior`: (faults,) of
    the training windows; `serving`: where the bundle serves.
    """

    data: DataSet
    split: Split
    prior: Array
    serving: Array

    def judge(self, parent: Subject, variant: Subject) -> dict[str, Any]:
        """Return the figures of both, what the variant lost, and whether it may serve."""
        old, new = self._answers(parent), self._answers(variant)
        truth = self.data.targets().take(self.split.test)
        unlike = self._unlike(variant)
        lost = old.f1(truth) - new.f1(truth)
        blurred = old.product_f1(truth) - new.product_f1(truth)  # NaN: no product was seen
        added = new.ece(truth) - old.ece(truth)
        before, after = (answers.caught(truth) for answers in (old, new))
        missed = float(before.mean() - after.mean()) if len(before) else 0.0
        reasons = {
            f"macro-F1 falls by {lost:.4f}, more than {MOST_F1_LOST}": lost > MOST_F1_LOST,
            f"products' macro-F1 falls by {blurred:.4f}, more than {MOST_F1_LOST}": (
                blurred > MOST_F1_LOST
            ),
            f"ECE grows by {added:.4f}, more than {MOST_ECE_ADDED}": added > MOST_ECE_ADDED,
            f"{missed:.4f} of the events are no longer caught at the budget": missed > 0,
            f"answers move by {unlike:.2g} with the batch size": unlike > MOST_UNLIKE,
        }
        return {
            "parent": old.figures(truth),
            "variant": new.figures(truth),
            "macro_f1_lost": lost,
            "macro_f1_lost_95": list(_lost_interval(old, new, truth)),
            "product_macro_f1_lost": None if np.isnan(blurred) else blurred,
            "ece_added": added,
            "alarm_recall_lost": missed,
            "unlike_over_batch_sizes": unlike,
            "windows": {"validate": len(self.split.validate), "test": len(self.split.test)},
            "events": len(before),
            "cost": costs(parent.runtime, variant.runtime, self.data),
            "reasons": [told for told, so in reasons.items() if so],
            "passed": not any(reasons.values()),
        }

    def _answers(self, subject: Subject) -> "Answers":
        held, test = (self._said(subject, r) for r in (self.split.validate, self.split.test))
        healthy = self.data.targets().fault[self.split.validate] == self._healthy()
        calm = _alarm(held[1], self._healthy())[healthy]
        limit = float(np.quantile(calm, 1 - HEALTHY_ALARMS)) if len(calm) else 1.0
        over = _alarm(test[1], self._healthy()) > limit
        return Answers(likely=test[0], over=over, product=test[2], healthy=self._healthy())

    def _healthy(self) -> int:
        return self.data.spec.faults.index(HEALTHY)

    def _said(self, subject: Subject, rows: Rows) -> tuple[Array, Array, NDArray[np.int64]]:
        """Return fault probabilities under the windows' own mix and under the serving prior, and
        the product class, -1 where the camera sees nothing."""
        parts = [self._part(subject, part) for part in in_parts(rows, _BATCH)]
        own, served, product = (np.concatenate(side) for side in zip(*parts, strict=True))
        return own, served, product

    def _part(self, subject: Subject, rows: Rows) -> tuple[Array, Array, NDArray[np.int64]]:
        arrays = self.data.batch(rows)
        seen = (arrays["present"] > 0).tolist()
        temperature = np.array([subject.calibration.temperature(tuple(row)) for row in seen])
        raw = subject.runtime.run(arrays)
        evidence = raw.evidence.astype(np.float64)
        return (
            posterior(evidence, self.prior, temperature),
            posterior(evidence, self.serving, temperature),
            np.where(arrays["present"][:, 0] > 0, raw.product.argmax(axis=1), -1),
        )

    def _unlike(self, subject: Subject) -> float:
        """Return the largest change of a probability over the batch sizes that are served."""
        rows = self.split.test[: BATCHES[-1]]
        whole = self._part(subject, rows)[0]
        moved = []
        for size in BATCHES[:-1]:
            parts = [self._part(subject, part)[0] for part in in_parts(rows, size)]
            moved.append(float(np.abs(np.concatenate(parts) - whole).max()))
        return max(moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a network said of the test windows: (windows, faults) probabilities, which windows are
    over its limit of alarms, and the product class (windows,), -1 where nothing is seen."""

    likely: Array
    over: NDArray[np.bool_]
    product: NDArray[np.int64]
    healthy: int

    def f1(self, truth: Targets, rows: Rows | slice = slice(None)) -> float:
        """Return macro-F1."""
        chosen = self.likely[rows].argmax(axis=1)
        return macro_f1(chosen, truth.fault[rows], self.likely.shape[1])

    def product_f1(self, truth: Targets) -> float:
        """Return macro-F1 of the product classes; NaN where no product is seen."""
        seen = (truth.product >= 0) & (self.product >= 0)
        if not seen.any():
            return float("nan")
        classes = int(max(truth.product[seen].max(), self.product[seen].max())) + 1
        return macro_f1(self.product[seen], truth.product[seen], classes)

    def ece(self, truth: Targets) -> float:
        """Return the expected calibration error."""
        return calibration_error(self.likely, truth.fault)

    def caught(self, truth: Targets) -> NDArray[np.bool_]:
        """Return which episodes of a fault had a window over the limit, (events,)."""
        blocks = episodes_of(truth.group, truth.fault)
        faulty = truth.fault != self.healthy
        events = np.unique(blocks[faulty])
        return np.array([self.over[blocks == event].any() for event in events], np.bool_)

    def figures(self, truth: Targets) -> Mapping[str, float]:
        """Return all as plain values."""
        calm = truth.fault == self.healthy
        caught = self.caught(truth)
        return {
            "macro_f1": self.f1(truth),
            "product_macro_f1": self.product_f1(truth),
            "ece": self.ece(truth),
            "alarm_recall": float(caught.mean()) if len(caught) else float("nan"),
            "healthy_over_limit": float(self.over[calm].mean()) if calm.any() else float("nan"),
        }


def costs(parent: Runtime, variant: Runtime, data: DataSet) -> dict[str, Any]:
    """Return CPU milliseconds a window of both, in turns of one run, and variant over parent."""
    old, new = cost(parent, data), cost(variant, data)
    again_old, again_new = cost(parent, data), cost(variant, data)
    old = {name: min(value, again_old[name]) for name, value in old.items()}
    new = {name: min(value, again_new[name]) for name, value in new.items()}
    ratio = {name: new[name] / old[name] for name in old}
    return {"parent_cpu_ms": old, "variant_cpu_ms": new, "variant_over_parent": ratio}


def _lost_interval(old: Answers, new: Answers, truth: Targets) -> tuple[float, float]:
    blocks = episodes_of(truth.group, truth.fault)
    return interval(lambda rows: old.f1(truth, rows) - new.f1(truth, rows), blocks)


def _alarm(served: Array, healthy: int) -> Array:
    """Return how sure it is that something is wrong, (windows,)."""
    alarm: Array = 1.0 - served[:, healthy]
    return alarm
