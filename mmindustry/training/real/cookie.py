"""Products judged by what normal ones look like, with a heat map each (patch-kNN, k folds)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from mmindustry.errors import InputError
from mmindustry.fusion.patch_encoders import Levels, PatchEncoder, Pixels, patch_encoder
from mmindustry.fusion.patches import grow_bank, heat_picture, picture_score
from mmindustry.fusion.texture import Plane
from mmindustry.training.folds import grouped_folds
from mmindustry.training.pictures import heat_over, read_picture
from mmindustry.training.pixels import aupimo
from mmindustry.training.real.looks import Looks, best_way, look_at
from mmindustry.training.real.products import Product, find_products, read_mask
from mmindustry.training.real.rounds import interval
from mmindustry.training.real.shelf import Tell, brought, common_size
from mmindustry.training.scores import auroc, average_precision

Numbers = NDArray[np.float64]
Masks = list[NDArray[np.bool_]]

FOLDS = 5
LONGEST_SIDE = 448
_SAME = 0.95
_THUMBNAIL = (24, 32)
_LEAST = 4
HOW_SET = (
    "fixed in the code, the same for every encoder and data set: size 448 px, all three map "
    "levels on the grid of stride 8, core-set of 1,000 patches, score = mean of the strangest "
    "0.5 %; sizes and scales of the built-in encoder were chosen on the cookies this project was "
    "built with, so its figure on them is an optimistic one; nothing is chosen by a run"
)


@dataclass(frozen=True, slots=True)
class _Judged:
    scores: Numbers
    heats: list[Plane]


def evaluate_products(
    folder: Path, encoder: str, tell: Tell, *, maps: Path | None = None
) -> dict[str, Any]:
    """Return what a bank of normal patches is worth on each product found in a folder.

    Args:
        folder: Where products are looked for.
        encoder: Of `fusion.patch_encoders.ENCODERS`.
        tell: Takes progress.
        maps: Folder for pictures with the heat laid over them.

    Raises:
        InputError: No product is found, or one has too few pictures of a kind.
        MissingExtra: The encoder needs an extra that is not installed.
    """
    eyes = patch_encoder(encoder)
    found = {}
    for product in find_products(folder):
        found[product.name] = _evaluate(product, eyes, tell, maps)
    return {"encoder": encoder, "folds": FOLDS, "products": found, "how_set": HOW_SET}


def _evaluate(
    product: Product, eyes: PatchEncoder, tell: Tell, maps: Path | None
) -> dict[str, Any]:
    truth = product.truth
    if (~truth).sum() < _LEAST or not truth.any():
        raise InputError(
            f"{product.name}: {int((~truth).sum())} normal and {int(truth.sum())} anomalous "
            f"pictures; {_LEAST} normal ones and an anomalous one are needed"
        )
    looks = look_at(product.pictures)
    size = common_size(looks.shapes, LONGEST_SIDE)
    tell(f"{product.name}: {len(truth)} pictures through {eyes.name}")
    levels = [eyes.maps(brought(path, size)) for path in product.pictures]
    groups = alike(product.pictures)
    judged = _judge(levels, truth, groups)
    plain = Pixels()
    bare = _judge([plain.maps(brought(path, size)) for path in product.pictures], truth, groups)
    masks = [
        np.zeros(size, np.bool_) if path is None else read_mask(path, size)
        for path in product.masks
    ]
    heats = [heat_picture(heat, *size) for heat in judged.heats]
    if maps is not None:
        _write_maps(maps / product.name, product, heats, masks)
    figures = _figures(judged.scores, heats, masks, looks=looks, groups=groups)
    bare_heats = [heat_picture(heat, *size) for heat in bare.heats]
    return {
        **figures,
        "control_raw_pixels": auroc(bare.scores, truth),
        "pixel_ap_raw_pixels": average_precision(np.stack(bare_heats), np.stack(masks)),
    }


def alike(pictures: Sequence[Path]) -> NDArray[np.str_]:
    """Return a group name for each picture: near-copies (correlation over 0.95) share one.

    A copy of a normal picture in the bank would make the bank look better than it is.
    """
    small = []
    for path in pictures:
        thumbnail = cv2.resize(read_picture(path), _THUMBNAIL, interpolation=cv2.INTER_AREA)
        plain = thumbnail.astype(np.float64).ravel()
        plain -= plain.mean()
        small.append(plain / max(float(np.linalg.norm(plain)), 1e-9))
    rows = np.array(small)
    _, group = connected_components(rows @ rows.T > _SAME, directed=False)
    return np.array([f"look-{number}" for number in group])


def _judge(levels: Sequence[Levels], truth: NDArray[np.bool_], groups: NDArray[np.str_]) -> _Judged:
    """Judge every picture once, by a bank of normal ones of the other folds."""
    scores, heats = np.zeros(len(truth)), [np.zeros((1, 1), np.float32)] * len(truth)
    for fold in grouped_folds(groups, min(FOLDS, len(np.unique(groups))), 7):
        bank = grow_bank([levels[int(k)] for k in fold.train if not truth[k]])
        for k in fold.test:
            heats[int(k)] = bank.heat(levels[int(k)])
            scores[k] = picture_score(heats[int(k)])
    return _Judged(scores, heats)


def _figures(
    scores: Numbers,
    heats: list[Plane],
    masks: Masks,
    *,
    looks: Looks,
    groups: NDArray[np.str_],
) -> dict[str, Any]:
    truth = np.array([bool(mask.any()) for mask in masks])
    bad = np.flatnonzero(truth)
    areas = aupimo(
        [heats[int(k)] for k in np.flatnonzero(~truth)],
        [heats[int(k)] for k in bad],
        [masks[int(k)] for k in bad],
    )
    pixels = average_precision(np.stack(heats), np.stack(masks))
    known = np.isfinite(areas)
    controls = {
        "control_file_bytes": looks.file_bytes,
        "control_size": looks.pixels,
        "control_brightness": looks.brightness[:, -3],
        "control_random": np.random.default_rng(7).random(len(truth)),
    }
    return {
        "normal": int((~truth).sum()),
        "anomalous": int(truth.sum()),
        "different_looks": len(np.unique(groups)),
        "brought_to": [int(side) for side in heats[0].shape],
        "image_auroc": auroc(scores, truth),
        "image_auroc_interval": _by_look(scores, truth, groups),
        **{name: auroc(best_way(values, truth), truth) for name, values in controls.items()},
        "pixel_ap": pixels,
        "pixel_ap_chance": float(np.stack(masks).mean()),
        "aupimo": float(areas[known].mean()) if known.any() else float("nan"),
        "aupimo_interval": interval(
            lambda drawn: float(np.nanmean(areas[known][drawn])), int(known.sum())
        ),
    }


def _by_look(
    scores: Numbers, truth: NDArray[np.bool_], groups: NDArray[np.str_]
) -> tuple[float, float]:
    rows = [np.flatnonzero(groups == name) for name in np.unique(groups)]

    def drawn_auroc(drawn: NDArray[np.int64]) -> float:
        chosen = np.concatenate([rows[k] for k in drawn])
        return auroc(scores[chosen], truth[chosen])

    return interval(drawn_auroc, len(rows))


def _write_maps(folder: Path, product: Product, heats: Sequence[Plane], masks: Masks) -> None:
    """Write each picture with its heat over it and its mask drawn around, as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    top = max(float(np.percentile(heat, 99.9)) for heat in heats)
    for path, heat, mask in zip(product.pictures, heats, masks, strict=True):
        size = (heat.shape[0], heat.shape[1])
        laid = heat_over(brought(path, size), heat / max(top, 1e-9))
        around, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        cv2.drawContours(laid, around, -1, (80, 220, 80), 1)
        cv2.imwrite(str(folder / f"{path.stem}.png"), laid)
