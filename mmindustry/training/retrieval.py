"""How well windows are found: by a text, and by another window, beside chance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmindustry.features.spec import MODALITIES
from mmindustry.fusion.runtime import Raw
from mmindustry.fusion.similar import Space, across, likeness, nearest, recall_at
from mmindustry.fusion.spec import HEALTHY
from mmindustry.training.dataset import Targets

Array = NDArray[np.float32]

AT = (1, 5, 10)
"""How many found windows are looked at."""


def retrieval_figures(
    raw: Raw, quality: Array, truth: Targets, *, faults: Sequence[str], space: Space
) -> dict[str, float]:
    """Return recall@k of searches over windows of faulty machines.

    `window.*`: windows like one, of another machine, of the same fault; `text.X.*`: what modality
    X holds, by the window's own text: the same window, and one of the same fault (only where the
    space is shared). `chance`: of the same search in random order.

    Args:
        raw: What the network said of all windows.
        quality: (windows, modalities) presence times quality.
        truth: Of the windows.
        faults: Names of the classes.
        space: The bundle's.
    """
    placed = space.place(raw.embeddings, quality)
    faulty = np.flatnonzero(truth.fault != list(faults).index(HEALTHY))
    kin = [
        _places((truth.fault == truth.fault[q]) & (truth.group != truth.group[q])) for q in faulty
    ]
    others = [np.where(truth.group == truth.group[q], -1.0, 1.0) for q in faulty]
    alike = [
        np.where(apart > 0, likeness(placed[q], placed), -1.0).astype(np.float32)
        for q, apart in zip(faulty, others, strict=True)
    ]
    found = _recalls("window.same_fault", alike, kin)
    if space.shared:
        for modality in MODALITIES[:2]:
            found |= _by_text(placed, quality, truth, modality=modality, faulty=faulty)
    return {"windows": float(len(placed)), "queries": float(len(faulty)), **found}


def _by_text(
    placed: Array, quality: Array, truth: Targets, *, modality: str, faulty: NDArray[np.int64]
) -> dict[str, float]:
    at, text = MODALITIES.index(modality), MODALITIES.index("text")
    asked = [q for q in faulty if quality[q, text] > 0 and quality[q, at] > 0]
    scores = [across(placed[q, text], placed, modality) for q in asked]
    held = quality[:, at] > 0
    own = [frozenset({int(q)}) for q in asked]
    kin = [_places(held & (truth.fault == truth.fault[q])) - {int(q)} for q in asked]
    without = []
    for q, score in zip(asked, scores, strict=True):
        others = score.copy()
        others[q] = -1.0
        without.append(others)
    return {
        **_recalls(f"text.{modality}.same_window", scores, own),
        **_recalls(f"text.{modality}.same_fault", without, kin),
    }


def _places(chosen: NDArray[np.bool_]) -> frozenset[int]:
    return frozenset(np.flatnonzero(chosen).tolist())


def _recalls(
    name: str, scores: Sequence[Array], relevant: Sequence[frozenset[int]]
) -> dict[str, float]:
    """Return recall at each k, and of the same windows in random order."""
    random = np.random.default_rng(0)
    ranked = [nearest(score, max(AT)) for score in scores]
    dealt = [
        nearest(np.where(score > -1.0, random.random(len(score)), -1.0).astype("f4"), max(AT))
        for score in scores
    ]
    found = {f"{name}@{k}": recall_at(ranked, relevant, k) for k in AT}
    return found | {f"{name}@{k}.chance": recall_at(dealt, relevant, k) for k in AT}
