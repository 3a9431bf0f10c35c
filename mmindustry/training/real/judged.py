"""Windows judged with a threshold: shares right by window and by recording, with intervals."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.training import scores
from mmindustry.training.real.intervals import ratio_interval
from mmindustry.training.scores import wilson

Dense = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Question:
    """One fault against healthy: rows of windows that may be asked, and who has what."""

    fault: str
    rows: Dense
    faulty: Mask
    motor: NDArray[np.str_]
    speed: NDArray[np.str_]
    both: tuple[str, ...]
    """Motors recorded healthy and with the fault."""
    healthy_only: tuple[str, ...]
    of: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of windows held out, each with the threshold of the model that gave it."""

    score: Dense
    threshold: Dense
    rows: NDArray[np.int64]

    @property
    def alarm(self) -> Mask:
        """Whether each window is called faulty."""
        return self.score > self.threshold


def rates(asked: Question, judged: Judged) -> dict[str, Any]:
    """Return specificity and recall by window and by recording, with intervals, and AUROC."""
    faulty = asked.faulty[judged.rows]
    found: dict[str, Any] = {"threshold": sorted(set(judged.threshold.round(4).tolist()))}
    for name, side, right in (
        ("specificity", ~faulty, ~judged.alarm),
        ("recall", faulty, judged.alarm),
    ):
        if side.any():
            found[name] = _share(right[side], asked.of[judged.rows][side])
            found[name]["recordings_right"] = _by_recording(
                asked, judged, side, faulty=name == "recall"
            )
    if faulty.any() and (~faulty).any():
        found["auroc"] = auroc(judged.score[faulty], judged.score[~faulty])
    return found


def _share(right: Mask, recording: NDArray[np.int64]) -> dict[str, Any]:
    _, member = np.unique(recording, return_inverse=True)
    hits = np.bincount(member, right.astype(np.float64)).astype(np.float64)
    totals = np.bincount(member).astype(np.float64)
    return {
        "value": float(right.mean()),
        "windows": len(right),
        "recordings": len(hits),
        "interval_by_recording": list(ratio_interval(hits, totals)),
        "wilson_windows": list(wilson(int(right.sum()), len(right))),
    }


def _by_recording(asked: Question, judged: Judged, side: Mask, *, faulty: bool) -> dict[str, Any]:
    """Return how many recordings are right by the mean of their windows' scores."""
    recording = asked.of[judged.rows][side]
    _, member = np.unique(recording, return_inverse=True)
    over = (judged.score - judged.threshold)[side]
    mean = np.bincount(member, over) / np.bincount(member)
    right = int((mean > 0).sum() if faulty else (mean <= 0).sum())
    return {"value": right / len(mean), "wilson": list(wilson(right, len(mean)))}


def auroc(positive: Dense, negative: Dense) -> float:
    """Return the share of pairs in order, ties half.

    >>> auroc(np.array([1.0, 2.0]), np.array([0.0, 1.0]))
    0.875
    """
    both = np.concatenate([positive, negative])
    return scores.auroc(both, np.arange(len(both)) < len(positive))


def part(judged: Judged, keep: Mask) -> Judged:
    """Return some of the windows."""
    return Judged(judged.score[keep], judged.threshold[keep], judged.rows[keep])
