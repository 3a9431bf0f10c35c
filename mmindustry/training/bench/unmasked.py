"""Does the heat map that learned on the simulator show defects on real products? No label is used.

It must beat what knows nothing of defects: the same network with random weights, and light alone.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.features.picture import fit
from mmindustry.fusion.heatmap import HeatmapNetwork
from mmindustry.fusion.heatmap_runtime import HeatmapRuntime, planes
from mmindustry.training.heatmap import Masked, control_heats, heat_figures
from mmindustry.training.pictures import read_picture
from mmindustry.training.real.products import find_products, read_mask

_SEEDS = 3
_HALF = 0.5


def show_defects(data: Path, heatmap: HeatmapRuntime) -> dict[str, Any]:
    """Return how well defects of real products are shown, by the heat map and by controls.

    Args:
        data: Folder of real data; products with masks are looked for in its `images`.
        heatmap: What is tried; pictures are brought to its side, whole.

    Returns:
        `ours`, `random` (seed by seed) and `brightness`: the better way round on these very
        pictures; each as `heat_figures`. `better`: our pixel average precision stands, by its
        interval over pictures, above every control.

    Raises:
        InputError: There are no products with masks, none without a defect, or a mask is empty.
    """
    seen = _products(data / "images", heatmap.side)
    given = planes(seen.pictures)
    drawn = []
    for seed in range(_SEEDS):
        torch.manual_seed(seed)
        with torch.inference_mode():
            drawn.append(HeatmapNetwork().eval()(torch.from_numpy(given))[:, 0].numpy())
    light = control_heats(seen, seen, 0)["brightness"]
    ours = heat_figures(seen, heatmap.heat(given))
    random = [heat_figures(seen, heat) for heat in drawn]
    brightness = heat_figures(seen, light)
    highest = max(one["pixel_ap"] for one in (*random, brightness))
    return {
        "pictures": len(seen),
        "defective": int(seen.defective.sum()),
        "ours": ours,
        "random": random,
        "brightness": brightness,
        "better": bool(ours["pixel_ap_interval"][0] > highest),
    }


def _products(folder: Path, side: int) -> Masked:
    """Return the pictures of all products, each a group of its own; those of which nobody drew
    where the defect is are left out."""
    pictures, masks, names = [], [], []
    for product in find_products(folder):
        told = zip(product.pictures, product.masks, product.named, strict=True)
        for path, mask, anomalous in told:
            if mask is None and anomalous:
                continue
            pictures.append(fit(read_picture(path), side, side)[..., ::-1])
            masks.append(np.zeros((side, side), np.bool_) if mask is None else _at(mask, side))
            names.append(f"{product.name}/{path.name}")
    drawn = [bool(mask.any()) for mask in masks]
    if all(drawn) or not any(drawn):
        raise InputError(
            f"{folder}: needs two classes; of {len(drawn)} pictures {sum(drawn)} have a mask"
        )
    states = np.where(drawn, "defect", "good")
    return Masked(np.array(pictures), np.array(masks), np.array(names), states)


def _at(mask: Path, side: int) -> NDArray[np.bool_]:
    """Return where more than half of a pixel is drawn on; of a finer defect, where most is."""
    drawn = read_mask(mask).astype(np.float32)
    share = cv2.resize(drawn, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray((share > _HALF) if share.max() > _HALF else (share >= share.max()))
