"""Damage on photographs in sequence (BSData): one sequence left out, read within rounds.

The sequences are places photographed in the same rounds, and all fail late: a frame's number
alone tells nearly all of a pooled AUROC. So pictures are brought to one scale, the controls stand
beside every figure, and the headlines are the AUROC within rounds that hold both classes and the
pixel average precision of the drawn polygons.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.fusion.patch_encoders import patch_encoder
from mmindustry.fusion.patches import DRAWN_SHARE, picture_score, smooth
from mmindustry.fusion.texture import Plane
from mmindustry.training.pixels import Counts, average_precision_of, pixel_counts
from mmindustry.training.real.looks import Looks, best_way, learned_elsewhere, look_at
from mmindustry.training.real.outlines import damaged_share
from mmindustry.training.real.patch_head import PatchHead, Rows, draw_rows, fit_head, hard_rows
from mmindustry.training.real.photographs import (
    Photograph,
    find_photographs,
    labels_without_photograph,
)
from mmindustry.training.real.products import some
from mmindustry.training.real.rounds import interval, pairs_in_order, share_of
from mmindustry.training.real.shelf import (
    Order,
    Shelf,
    Tell,
    brought,
    common_size,
    fill_shelf,
    working_folder,
)
from mmindustry.training.scores import auroc

Numbers = NDArray[np.float64]

LONGEST_SIDE = 832
_PLACE_BLUR_CELLS = 2.0
_LOGITS = (-16.0, 16.0)
_LEAST_SEQUENCES = 2
HOW_SET = (
    "fixed in the code, the same for every encoder and data set: size 832 px, strides 4/8/16, "
    "hidden 64, 6 epochs, weight decay 0.01, learned twice: from 300 sound cells a picture, then "
    "with the 100 that the first head took most for damage; smoothing of one cell, score = mean "
    "of the strongest 0.03 % of cells. Smoothing and share were chosen on five of BSData's ten "
    "sequences (every second by name) with efficientnet-lite0; the built-in encoder's planes and "
    "the second round on every second by name from the first, most of it on frames 36 to 60 of "
    "them, leaving one of the five out: by pixel AP, and by AUROC of pictures up to five rounds "
    "apart, since rounds of five sequences hold few pairs. The other five had no part in that, but "
    "the figure on all ten of the encoder before was known; nothing is chosen by a run"
)


@dataclass(frozen=True, slots=True)
class Judged:
    """Per picture a score; per sequence the binned pixels of the heat and of the controls."""

    scores: Numbers
    pixels: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class _Task:
    photos: Sequence[Photograph]
    shelf: Shelf
    size: tuple[int, int]
    sequences: NDArray[np.str_]
    truth: NDArray[np.bool_]


def evaluate_bsdata(
    folder: Path, encoder: str, tell: Tell, *, work: Path | None = None
) -> dict[str, Any]:
    """Return what a small head on an encoder's frozen maps is worth on sequences never met.

    Raises:
        InputError: The folder lacks photographs in sequence, or damage in two sequences.
        MissingExtra: The encoder needs an extra that is not installed.
    """
    eyes = patch_encoder(encoder)
    photos = find_photographs(folder)
    lone = labels_without_photograph(folder, photos)
    if lone:
        tell(f"labels of no photograph, not used: {some(lone)}; a label is named as its photograph")
    sequences = np.array([photo.sequence for photo in photos])
    truth = np.array([photo.damage.damaged for photo in photos])
    _check(folder, sequences, truth)
    paths = [photo.path for photo in photos]
    looks = look_at(paths)
    size = common_size(looks.shapes, LONGEST_SIDE)
    with working_folder(work) as kept:
        shelf = fill_shelf(kept, Order(paths, eyes, size), tell)
        judged = _judge(_Task(photos, shelf, size, sequences, truth), tell)
    figures = _figures(photos, looks, judged, encoder=encoder, size=size)
    return figures | {"labels_without_photograph": len(lone)}


def _check(folder: Path, sequences: NDArray[np.str_], truth: NDArray[np.bool_]) -> None:
    damaged = np.unique(sequences[truth])
    if len(damaged) < _LEAST_SEQUENCES:
        raise InputError(
            f"{folder}: {len(np.unique(sequences))} sequences, {len(damaged)} of them with damage; "
            "two are needed, one to learn from and one to be tried on (labelme files beside them)"
        )


def _judge(task: _Task, tell: Tell) -> Judged:
    random = np.random.default_rng(7)
    shares = [damaged_share(photo, task.size) for photo in task.photos]
    rows = [draw_rows(task.shelf[k], share, random) for k, share in enumerate(shares)]
    names = np.unique(task.sequences)
    scores = np.zeros(len(task.photos))
    pixels: dict[str, list[Counts]] = {"heat": [], "place_only": [], "darkness_only": []}
    for number, name in enumerate(names):
        tell(f"sequence {number + 1} of {len(names)}: {name}")
        own = np.flatnonzero(task.sequences == name)
        rest = np.flatnonzero(task.sequences != name)
        head = _learned(task, rows, shares, rest)
        place = _usual_place([shares[k] for k in rest])
        found = {key: np.zeros((2, 4_096), np.int64) for key in pixels}
        for k in own:
            heat = smooth(head.heat(task.shelf[int(k)]))
            scores[k] = picture_score(heat, DRAWN_SHARE)
            _count(found, task, int(k), heat=heat, place=place)
        for key, counts in found.items():
            pixels[key].append(counts)
    return Judged(scores, {key: np.array(counts) for key, counts in pixels.items()})


def _learned(
    task: _Task, rows: Sequence[Rows], shares: Sequence[Plane], rest: NDArray[np.int64]
) -> PatchHead:
    """Return the head of these pictures: learned twice, then with what it took for damage first."""
    drawn = [rows[int(k)] for k in rest]
    first = fit_head(drawn)
    hard = [hard_rows(first, task.shelf[int(k)], shares[int(k)]) for k in rest]
    return fit_head([*drawn, *hard])


def _count(found: Mapping[str, Counts], task: _Task, k: int, *, heat: Plane, place: Plane) -> None:
    height, width = task.size
    truth = task.photos[k].mask(width, height)
    grey = cv2.cvtColor(brought(task.photos[k].path, task.size), cv2.COLOR_BGR2GRAY)
    found["heat"][...] += pixel_counts(_enlarged(heat, task.size), truth, *_LOGITS)
    found["place_only"][...] += pixel_counts(
        np.log(_enlarged(place, task.size).clip(1e-9)), truth, np.log(1e-9), 0.0
    )
    found["darkness_only"][...] += pixel_counts(-grey.astype(np.float32), truth, -255.0, 0.0)


def _usual_place(shares: Sequence[Plane]) -> Plane:
    mean = np.asarray(np.mean(shares, axis=0), np.float32)
    return np.asarray(cv2.GaussianBlur(mean, (0, 0), _PLACE_BLUR_CELLS), np.float32)


def _enlarged(heat: Plane, size: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(heat, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _figures(
    photos: Sequence[Photograph],
    looks: Looks,
    judged: Judged,
    *,
    encoder: str,
    size: tuple[int, int],
) -> dict[str, Any]:
    sequences = np.array([photo.sequence for photo in photos])
    truth = np.array([photo.damage.damaged for photo in photos])
    rounds = np.array([photo.round for photo in photos])
    names = np.unique(sequences)
    scored = {
        "ours": judged.scores,
        "control_index": np.array([float(photo.index) for photo in photos]),
        "control_size": best_way(looks.pixels, truth),
        "control_file_bytes": best_way(looks.file_bytes, truth),
        "control_brightness": learned_elsewhere(looks.brightness, truth, sequences),
        "control_random": np.random.default_rng(7).random(len(photos)),
    }
    told = {name: _told(values, truth, rounds, sequences) for name, values in scored.items()}
    chance = float(judged.pixels["heat"].sum(axis=(0, 2))[1] / judged.pixels["heat"].sum())
    pixel = {name: _pixel(counts) for name, counts in judged.pixels.items()}
    both = [r for r in np.unique(rounds[truth]) if not truth[rounds == r].all()]
    return {
        "encoder": encoder,
        "pictures": len(photos),
        "damaged": int(truth.sum()),
        "sequences": len(names),
        "sequences_of_one_class": [
            str(name)
            for name in names
            if len(np.unique(truth[sequences == name])) < 2  # noqa: PLR2004
        ],
        "rounds": len(np.unique(rounds)),
        "rounds_of_both_classes": len(both),
        "brought_to": list(size),
        "scored": told,
        "within_rounds_above_controls": _margin(scored, truth, rounds),
        "pixel_ap": pixel["heat"],
        "pixel_ap_control_place": pixel["place_only"],
        "pixel_ap_control_darkness": pixel["darkness_only"],
        "pixel_ap_control_chance": chance,
        "above_every_control": _above(told, pixel, chance),
        "left_out": "rounds of one class have no pair and no part in the AUROC within rounds",
        "how_set": HOW_SET,
    }


def _told(
    scores: Numbers,
    truth: NDArray[np.bool_],
    rounds: NDArray[np.int64],
    sequences: NDArray[np.str_],
) -> dict[str, Any]:
    pairs = pairs_in_order(scores, truth, rounds)
    rows = [np.flatnonzero(sequences == name) for name in np.unique(sequences)]

    def pooled(drawn: NDArray[np.int64]) -> float:
        chosen = np.concatenate([rows[k] for k in drawn])
        return auroc(scores[chosen], truth[chosen])

    return {
        "within_rounds_auroc": share_of(pairs),
        "within_rounds_interval": interval(lambda drawn: share_of(pairs[drawn]), len(pairs)),
        "within_rounds_pairs": int(pairs[:, 1].sum()),
        "pooled_auroc": auroc(scores, truth),
        "pooled_interval": interval(pooled, len(rows), draws=200),
    }


def _pixel(counts: NDArray[np.int64]) -> dict[str, Any]:
    def drawn_ap(drawn: NDArray[np.int64]) -> float:
        return average_precision_of(counts[drawn].sum(axis=0))

    return {
        "value": average_precision_of(counts.sum(axis=0)),
        "interval": interval(drawn_ap, len(counts), draws=300),
    }


def _margin(
    scored: Mapping[str, Numbers], truth: NDArray[np.bool_], rounds: NDArray[np.int64]
) -> dict[str, Any]:
    """Return by how much ours lies above each control within rounds, drawn together by round."""
    ours = pairs_in_order(scored["ours"], truth, rounds)
    margins = {}
    for name, scores in scored.items():
        if name != "ours":
            theirs = pairs_in_order(scores, truth, rounds)
            margins[name] = {
                "value": share_of(ours) - share_of(theirs),
                "interval": interval(_gap(ours, theirs), len(ours)),
            }
    return margins


def _gap(ours: Numbers, theirs: Numbers) -> Callable[[NDArray[np.int64]], float]:
    return lambda drawn: share_of(ours[drawn]) - share_of(theirs[drawn])


def _above(
    told: Mapping[str, Mapping[str, Any]], pixel: Mapping[str, Mapping[str, Any]], chance: float
) -> bool:
    controls = [t["within_rounds_auroc"] for name, t in told.items() if name != "ours"]
    maps = [pixel["place_only"]["value"], pixel["darkness_only"]["value"], chance]
    within = told["ours"]["within_rounds_auroc"]
    return bool(within > max(controls) and pixel["heat"]["value"] > max(maps))
