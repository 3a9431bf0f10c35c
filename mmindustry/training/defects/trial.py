"""Finding defects on groups that had no say in it: folds, heat, and the threshold of a find."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.fusion.patch_encoders import STRIDES
from mmindustry.fusion.patches import picture_score
from mmindustry.training.defects.finders import Teacher
from mmindustry.training.defects.marked import Marked
from mmindustry.training.defects.regions import Limits, Mask, Plane, hits, regions_of, true_regions
from mmindustry.training.folds import Fold, grouped_folds
from mmindustry.training.real.outlines import Mark, damaged_share

Numbers = NDArray[np.float64]
Rows = NDArray[np.int64]
Tell = Callable[[str], None]

Choose = Callable[[Rows], Limits]
"""Which pictures may tell -> the limits that they set."""

_FOLDS = 5
_SEED = 7
_FEW = 2
_LIMITS = np.linspace(-6.0, 10.0, 65)
"""Log odds among which limits are chosen where masks teach."""
_EDGE_SHARE = 0.99
_COVERED = 0.5


@dataclass(frozen=True, slots=True)
class Tried:
    """Of each picture: its heat and score by a finder that never met its group, its fold, and the
    limits that the other folds set; `limits`: those that all of them set."""

    heats: list[Plane]
    scores: Numbers
    fold_of: Rows
    limits_of: list[Limits]
    limits: Limits


def try_out(marked: Marked, teacher: Teacher, tell: Tell, *, false_share: float) -> Tried:
    """Return every picture's heat from a finder of the folds it is not in.

    Args:
        marked: All pictures.
        teacher: Teaches by some of them.
        tell: Takes progress.
        false_share: Of normal pictures that may hold a find, where normal ones alone teach.

    Raises:
        InputError: Fewer than two groups hold what teaches.
    """
    folds = deal(marked, by=teacher.by)
    count = len(marked.pictures)
    heats = [np.zeros((1, 1), np.float32)] * count
    scores, fold_of = np.zeros(count), np.zeros(count, np.int64)
    for number, fold in enumerate(folds):
        tell(f"fold {number + 1} of {len(folds)}: {len(fold.test)} pictures left out")
        finder = teacher.teach(fold.train)
        fold_of[fold.test] = number
        for k in fold.test:
            heats[int(k)] = teacher.heat(finder, int(k))
            scores[k] = picture_score(heats[int(k)], finder.strongest)
    by_drawn = teacher.by == "masks"
    choose = _by_drawn(marked, heats) if by_drawn else _by_normals(marked, heats, false_share)
    set_by = [choose(np.flatnonzero(fold_of != number)) for number in range(len(folds))]
    limits_of = [set_by[number] for number in fold_of]
    return Tried(heats, scores, fold_of, limits_of, choose(np.arange(count)))


def deal(marked: Marked, *, by: str) -> list[Fold]:
    """Return folds by group, each with something to learn from on the side that teaches.

    Groups that hold what teaches (a drawn defect, or a normal picture) are dealt by themselves,
    the others after them.

    Raises:
        InputError: There are fewer than two such groups.
    """
    teaches = marked.drawn if by == "masks" else ~marked.defective
    names = np.unique(marked.groups[teaches])
    if len(names) < _FEW:
        told = "defects drawn on them" if by == "masks" else "nothing wrong with them"
        raise InputError(
            f"{int(teaches.sum())} pictures with {told}, in {len(names)} groups (by "
            f"{marked.grouped_by}); two groups are needed, one to learn from and one to be tried on"
        )
    many = min(_FOLDS, len(names))
    first = np.isin(marked.groups, names)
    fold_of = np.zeros(len(first), np.int64)
    rows = np.flatnonzero(first)
    for number, fold in enumerate(grouped_folds(marked.groups[rows], many, _SEED)):
        fold_of[rows[fold.test]] = number
    others = np.flatnonzero(~first)
    fold_of[others] = np.unique(marked.groups[others], return_inverse=True)[1] % many
    return [Fold(np.flatnonzero(fold_of != n), np.flatnonzero(fold_of == n)) for n in range(many)]


def _by_normals(marked: Marked, heats: list[Plane], false_share: float) -> Choose:
    """Return what sets limits that this share of new normal pictures pass at most.

    The peak is the conformal quantile of normal pictures' hottest cells, their maximum where they
    are too few to tell such a share; a region ends where 99 of 100 normal cells are cooler.
    """
    peaks = np.array([float(heat.max()) for heat in heats])

    def choose(rows: Rows) -> Limits:
        normal = rows[~marked.defective[rows]]
        own = np.sort(peaks[normal])
        rank = min(int(np.ceil((len(own) + 1) * (1 - false_share))), len(own))
        peak = float(np.nextafter(np.float32(own[rank - 1]), np.float32(np.inf)))
        cells = np.concatenate([heats[int(k)].ravel() for k in normal])
        return Limits(peak=peak, edge=min(peak, float(np.quantile(cells, _EDGE_SHARE))))

    return choose


def _by_drawn(marked: Marked, heats: list[Plane]) -> Choose:
    """Return what sets limits by what was drawn.

    The edge is where the cells said and drawn agree best (Dice); the peak, not below it, where
    regions found and true ones do (F1, a region is right whose peak lies in a true one).
    """
    drawn = [_drawn(mark, heat) for mark, heat in zip(marked.marks, heats, strict=True)]
    said = np.array([_agreeing(heat, mask) for heat, mask in zip(heats, drawn, strict=True)])

    def choose(rows: Rows) -> Limits:
        told, right, true = said[rows].sum(axis=0).T
        edge = float(_LIMITS[int((2 * right / np.maximum(told + true, 1)).argmax())])
        met = np.sum([_met(heats[int(k)], drawn[int(k)], edge) for k in rows], axis=0)
        found, good, truths, reached = met.T
        precision, recall = good / np.maximum(found, 1), reached / np.maximum(truths, 1)
        best = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        return Limits(peak=max(edge, float(_LIMITS[int(best.argmax())])), edge=edge)

    return choose


def _drawn(mark: Mark | None, heat: Plane) -> Mask:
    """Return the cells that are damaged by half at least, or the most if none is."""
    if mark is None:
        return np.zeros(heat.shape, np.bool_)
    share = damaged_share(mark, (STRIDES[0] * heat.shape[0], STRIDES[0] * heat.shape[1]))
    return np.asarray((share >= min(_COVERED, float(share.max()))) & (share > 0), np.bool_)


def _agreeing(heat: Plane, drawn: Mask) -> Numbers:
    """Return (limits, 3): cells said, of them right, cells drawn."""
    told, inside = np.sort(heat.ravel()), np.sort(heat[drawn])
    said = len(told) - np.searchsorted(told, _LIMITS)
    right = len(inside) - np.searchsorted(inside, _LIMITS)
    return np.stack([said, right, np.full(len(_LIMITS), len(inside))], axis=1).astype(np.float64)


def _met(heat: Plane, drawn: Mask, edge: float) -> Numbers:
    """Return (limits, 4): regions whose peak reaches the limit, right ones, true ones, met ones."""
    truth = true_regions(drawn)
    found = regions_of(heat, Limits(peak=edge, edge=edge))
    told = np.zeros((len(_LIMITS), 4))
    told[:, 2] = len(truth.boxes)
    for number, limit in enumerate(_LIMITS):
        high = [region for region in found if region.score >= limit]
        told[number, [0, 1, 3]] = len(high), *hits(high, truth)
    return told
