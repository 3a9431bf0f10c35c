"""Products judged by what normal ones look like, with a heat map each (patch-kNN, k folds)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.fusion.patch_encoders import PatchEncoder, Pixels, patch_encoder
from mmindustry.fusion.patches import grow_bank, heat_picture, picture_score
from mmindustry.fusion.texture import Plane
from mmindustry.training.folds import Fold, grouped_folds
from mmindustry.training.pictures import heat_over
from mmindustry.training.real.alike import alike
from mmindustry.training.real.drawn import Drawn
from mmindustry.training.real.looks import Looks, best_way, look_at
from mmindustry.training.real.products import Product, find_products, some
from mmindustry.training.real.rounds import interval
from mmindustry.training.real.shelf import Tell, brought, common_size
from mmindustry.training.scores import auroc

Numbers = NDArray[np.float64]
Truth = NDArray[np.bool_]

FOLDS = 5
LONGEST_SIDE = 448
_SEED = 7
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


@dataclass(frozen=True, slots=True)
class _Dealt:
    """Folds, the group of each picture that they keep together, how many looks differ, and
    whether the groups are those looks."""

    folds: list[Fold]
    groups: NDArray[np.str_]
    looks: int
    by: str


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
    _warn(product, tell)
    looks = look_at(product.pictures)
    size = common_size(looks.shapes, LONGEST_SIDE)
    dealt = _deal(product, truth, tell)
    tell(f"{product.name}: {len(truth)} pictures through {eyes.name}")
    judged = _judge(product, truth, dealt.folds, eyes=eyes, size=size)
    bare = _judge(product, truth, dealt.folds, eyes=Pixels(), size=size)
    drawn = Drawn.of(product, truth, size)
    if maps is not None:
        _write_maps(maps / product.name, product, judged.heats, drawn.masks)
    return {
        "normal": int((~truth).sum()),
        "anomalous": int(truth.sum()),
        "anomalous_without_mask": len(product.without_mask),
        "label_unsaid": len(product.unsaid),
        "different_looks": dealt.looks,
        "folds_by": dealt.by,
        "brought_to": list(size),
        "image_auroc": auroc(judged.scores, truth),
        "image_auroc_interval": _by_group(judged.scores, truth, dealt.groups),
        **_controls(looks, truth),
        **drawn.figures(judged.heats),
        "control_raw_pixels": auroc(bare.scores, truth),
        "pixel_ap_raw_pixels": drawn.precision(bare.heats),
    }


def _warn(product: Product, tell: Tell) -> None:
    """Say which labels are not what a mask and a name agree upon."""
    if product.without_mask:
        tell(
            f"{product.name}: named anomalous without a mask: {some(product.without_mask)}; they "
            "count as anomalous pictures and are left out of the pixel figures"
        )
    if product.unsaid:
        tell(
            f"{product.name}: neither a mask nor a name nor a folder says what these are: "
            f"{some(product.unsaid)}; they are taken for normal"
        )


def _deal(product: Product, truth: Truth, tell: Tell) -> _Dealt:
    """Return folds that no copies are torn by, or by picture where that leaves nothing to learn.

    A fold needs normal pictures outside of it.
    """
    groups = alike(product.pictures)
    looks = len(np.unique(groups))
    if len(np.unique(groups[~truth])) > 1:
        folds = grouped_folds(groups, min(FOLDS, looks), _SEED)
        if not any(truth[fold.train].all() for fold in folds):
            return _Dealt(folds, groups, looks, "look")
    tell(
        f"{product.name}: only {looks} different looks among {len(truth)} pictures, too few to "
        "leave looks out; folds are by picture, so copies make the figures better than they are"
    )
    each = np.array([str(path) for path in product.pictures])
    return _Dealt(_spread(truth), each, looks, "picture")


def _spread(truth: Truth) -> list[Fold]:
    """Return folds by picture, each with its share of the normal ones."""
    fold_of = np.zeros(len(truth), np.int64)
    for kind in (truth, ~truth):
        fold_of[kind] = np.random.default_rng(_SEED).permutation(int(kind.sum())) % FOLDS
    numbers = [number for number in range(FOLDS) if (fold_of == number).any()]
    return [Fold(np.flatnonzero(fold_of != n), np.flatnonzero(fold_of == n)) for n in numbers]


def _judge(
    product: Product,
    truth: Truth,
    folds: Sequence[Fold],
    *,
    eyes: PatchEncoder,
    size: tuple[int, int],
) -> _Judged:
    """Judge every picture once, by a bank of normal ones of the other folds."""
    levels = [eyes.maps(brought(path, size)) for path in product.pictures]
    scores, heats = np.zeros(len(truth)), [np.zeros((1, 1), np.float32)] * len(truth)
    for fold in folds:
        bank = grow_bank([levels[int(k)] for k in fold.train if not truth[k]])
        for k in fold.test:
            heat = bank.heat(levels[int(k)])
            heats[int(k)] = heat_picture(heat, *size)
            scores[k] = picture_score(heat)
    return _Judged(scores, heats)


def _controls(looks: Looks, truth: Truth) -> dict[str, float]:
    controls = {
        "control_file_bytes": looks.file_bytes,
        "control_size": looks.pixels,
        "control_brightness": looks.brightness[:, -3],
        "control_random": np.random.default_rng(7).random(len(truth)),
    }
    return {name: auroc(best_way(values, truth), truth) for name, values in controls.items()}


def _by_group(scores: Numbers, truth: Truth, groups: NDArray[np.str_]) -> tuple[float, float]:
    rows = [np.flatnonzero(groups == name) for name in np.unique(groups)]

    def drawn_auroc(drawn: NDArray[np.int64]) -> float:
        chosen = np.concatenate([rows[k] for k in drawn])
        return auroc(scores[chosen], truth[chosen])

    return interval(drawn_auroc, len(rows))


def _write_maps(
    folder: Path, product: Product, heats: Sequence[Plane], masks: Sequence[Truth]
) -> None:
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
