"""Figures of found defects: pictures, pixels and regions, each beside what knows nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.training.defects.marked import Marked
from mmindustry.training.defects.regions import (
    Plane,
    Region,
    TrueRegions,
    hits,
    mask_of,
    overlaps,
    regions_of,
    true_regions,
)
from mmindustry.training.defects.trial import Tried
from mmindustry.training.pixels import BINS, average_precision_of, pixel_counts
from mmindustry.training.real.intervals import ratio_interval
from mmindustry.training.real.looks import Looks, best_way, learned_elsewhere
from mmindustry.training.report.intervals import interval
from mmindustry.training.scores import auroc, wilson

Numbers = NDArray[np.float64]
Size = tuple[int, int]

_DEALS = 20
_SEED = 7
_PLACE_BLUR = 8.0
_NEVER = 1e-9


def enlarged(heat: Plane, size: Size) -> Plane:
    """Return heat at (height, width), straight lines between cells."""
    return np.asarray(cv2.resize(heat, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def picture_figures(marked: Marked, tried: Tried, looks: Looks) -> dict[str, Any]:
    """Return how well pictures with a defect are told from those without.

    The AUROC of scores beside that of the file's size, the picture's size, its brightness and of
    chance; the shares of both kinds that are told right by whether a region is found.
    """
    truth, groups = marked.defective, marked.groups
    limits = np.array([limit.peak for limit in tried.limits_of])
    flagged = np.array([float(heat.max()) for heat in tried.heats]) >= limits
    normal = int((~truth).sum())
    right = int((~flagged[~truth]).sum())
    figures: dict[str, Any] = {}
    if normal:
        figures["specificity"] = right / normal
        figures["specificity_interval"] = wilson(right, normal)
    if truth.any():
        figures["sensitivity"] = float(flagged[truth].mean())
        figures["sensitivity_interval"] = wilson(int(flagged[truth].sum()), int(truth.sum()))
    if not truth.any() or truth.all():
        return figures
    controls = {
        "file_bytes": best_way(looks.file_bytes, truth),
        "size": best_way(looks.pixels, truth),
        "brightness": learned_elsewhere(looks.brightness, truth, groups),
        "chance": np.random.default_rng(_SEED).random(len(truth)),
    }
    blocks = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return {
        "image_auroc": auroc(tried.scores, truth),
        "image_auroc_interval": interval(
            lambda rows: auroc(tried.scores[rows], truth[rows]), blocks
        ),
        **{f"image_auroc_{name}": auroc(values, truth) for name, values in controls.items()},
        **figures,
    }


def drawn_figures(marked: Marked, tried: Tried, size: Size) -> dict[str, Any]:
    """Return how well what was drawn is found: its pixels, and its regions.

    Args:
        marked: With something drawn.
        tried: Heat of finders that never met a picture's group.
        size: (height, width) that pictures were brought to.
    """
    blocks = np.unique(marked.groups, return_inverse=True)[1].astype(np.int64)
    return _pixel_figures(marked, tried, size, blocks) | _region_figures(
        marked, tried, size, blocks
    )


def _pixel_figures(
    marked: Marked, tried: Tried, size: Size, blocks: NDArray[np.int64]
) -> dict[str, Any]:
    low = min(float(heat.min()) for heat in tried.heats)
    high = max(float(heat.max()) for heat in tried.heats) + 1e-6
    places = _usual_places(marked, tried, size)
    counts = np.zeros((2, int(blocks.max()) + 1, 2, BINS), np.int64)
    shared, united = np.zeros(len(blocks)), np.zeros(len(blocks))
    for k, mask in enumerate(marked.masks(size)):
        heat = enlarged(tried.heats[k], size)
        counts[0, blocks[k]] += pixel_counts(heat, mask, low, high)
        place = np.log(places[tried.fold_of[k]] + _NEVER)
        counts[1, blocks[k]] += pixel_counts(place, mask, np.log(_NEVER), 0.0)
        solid = mask_of(heat, tried.limits_of[k])
        shared[k], united[k] = (solid & mask).sum(), (solid | mask).sum()
    heats, usual = counts

    def drawn_ap(rows: NDArray[np.int64]) -> float:
        return average_precision_of(heats[rows].sum(axis=0))

    each = np.arange(len(heats))
    return {
        "pixel_ap": average_precision_of(heats.sum(axis=0)),
        "pixel_ap_interval": interval(drawn_ap, each),
        "pixel_ap_place": average_precision_of(usual.sum(axis=0)),
        "pixel_ap_chance": float(heats[:, 1].sum() / heats.sum()),
        "mask_iou": float(shared.sum() / united.sum()),
        "mask_iou_interval": _over_groups(shared, united, blocks),
    }


def _usual_places(marked: Marked, tried: Tried, size: Size) -> list[Plane]:
    """Return for each fold how often a defect was at each place in the others."""
    folds = int(tried.fold_of.max()) + 1
    sums = np.zeros((folds, *size), np.float32)
    for fold, mask in zip(tried.fold_of, marked.masks(size), strict=True):
        sums[fold] += mask
    total, counts = sums.sum(axis=0), np.bincount(tried.fold_of, minlength=folds)
    means = [(total - sums[n]) / max(int(counts.sum() - counts[n]), 1) for n in range(folds)]
    return [np.asarray(cv2.GaussianBlur(m, (0, 0), _PLACE_BLUR), np.float32) for m in means]


@dataclass(slots=True)
class _Meetings:
    """Of each picture: regions found, of them right by hit and by overlap, true ones, of them met
    by a hit."""

    found: Numbers
    right: Numbers
    overlapping: Numbers
    true: Numbers
    met: Numbers

    @classmethod
    def of(cls, count: int) -> "_Meetings":
        """Return none yet."""
        return cls(*(np.zeros(count) for _ in range(5)))

    def note(self, k: int, found: Sequence[Region], truth: TrueRegions) -> None:
        """Take how these regions meet a picture's true ones."""
        self.found[k], self.true[k] = len(found), len(truth.boxes)
        self.right[k], self.met[k] = hits(found, truth)
        self.overlapping[k] = overlaps(found, truth)

    def shares(self) -> dict[str, tuple[Numbers, Numbers]]:
        """Return each figure as (hits, totals) of each picture."""
        return {
            "hit_precision": (self.right, self.found),
            "hit_recall": (self.met, self.true),
            "iou_precision": (self.overlapping, self.found),
            "iou_recall": (self.overlapping, self.true),
        }


def _region_figures(
    marked: Marked, tried: Tried, size: Size, blocks: NDArray[np.int64]
) -> dict[str, Any]:
    """Return precision and recall of regions: by a peak that lies in a true one, and by boxes.

    `_chance`: the same regions dealt to other pictures, places and number kept.
    """
    count = len(blocks)
    found = [
        regions_of(enlarged(heat, size), limits)
        for heat, limits in zip(tried.heats, tried.limits_of, strict=True)
    ]
    random = np.random.default_rng(_SEED)
    deals = [random.permutation(count) for _ in range(_DEALS)]
    own, dealt = _Meetings.of(count), _Meetings.of(count * _DEALS)
    for k, mask in enumerate(marked.masks(size)):
        truth = true_regions(mask)
        own.note(k, found[k], truth)
        for number, deal in enumerate(deals):
            dealt.note(number * count + k, found[deal[k]], truth)
    figures: dict[str, Any] = {
        "regions_true": int(own.true.sum()),
        "regions_found": int(own.found.sum()),
    }
    chance = dealt.shares()
    for name, (right, total) in own.shares().items():
        figures[name] = _share(right, total)
        figures[f"{name}_interval"] = _over_groups(right, total, blocks)
        figures[f"{name}_chance"] = _share(*chance[name])
    normal = ~marked.defective
    if normal.any():
        figures["found_a_normal_picture"] = float(own.found[normal].mean())
    return figures


def _share(right: Numbers, total: Numbers) -> float:
    return float(right.sum() / total.sum()) if total.any() else float("nan")


def _over_groups(right: Numbers, total: Numbers, blocks: NDArray[np.int64]) -> tuple[float, float]:
    sums = (np.bincount(blocks, each).astype(np.float64) for each in (right, total))
    return ratio_interval(*sums)
