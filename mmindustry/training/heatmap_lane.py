"""Heat maps on the simulator's product lane: learned on some machines, tried on others."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from mmindustry.errors import InputError
from mmindustry.features.picture import cut, fit
from mmindustry.features.spec import Recipe
from mmindustry.fusion.heatmap import export_heatmap
from mmindustry.fusion.heatmap_runtime import HeatmapRuntime, planes
from mmindustry.simulate.lane import LanePicture, lane_pictures
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.training.heatmap import (
    HeatmapPlan,
    Masked,
    Tell,
    control_heats,
    fit_heatmap,
    heat_figures,
    precision_by_state,
)

SIDE = Recipe().region_size
"""Side of the network's picture in pixels: that of the close-up in a window's features."""
_KEPT_EVERY = 4
_TOLD_EVERY = 500
_HALF = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRun:
    """How much to simulate, and how to learn."""

    windows: int = 3_200
    """Windows in all, one frame of each."""
    machines: int = 64
    """Machines they come from; every fourth is met only in the figures."""
    seed: int = 7
    """Of machines, windows and training."""
    epochs: int = 10
    """Passes over the pictures."""
    side: int = SIDE
    """Side of the network's picture in pixels, a multiple of 4."""

    def __post_init__(self) -> None:
        """Refuse a run whose figures would say nothing."""
        if self.machines < _KEPT_EVERY or self.windows < 4 * self.machines:
            raise InputError(
                f"{self.windows} windows of {self.machines} machines are too few: "
                f"at least {_KEPT_EVERY} machines and 4 windows of each are needed"
            )
        if self.seed < 0 or self.epochs < 1:
            raise InputError(f"seed is {self.seed} and epochs {self.epochs}; from 0 and from 1")


def evaluate_lane(run: LaneRun, tell: Tell) -> tuple[dict[str, Any], bytes]:
    """Return the figures on machines never met, and the ONNX model that gave them.

    Raises:
        InputError: No defect is among the pictures of one side.
    """
    shown = lane_masked(run, tell)
    machines = np.unique(shown.groups)
    apart = np.isin(shown.groups, machines[_KEPT_EVERY - 1 :: _KEPT_EVERY])
    known, kept = shown[~apart], shown[apart]
    if not kept.masks.any():
        raise InputError(f"{run.windows} windows: no defect on the machines kept; take more")
    model = export_heatmap(
        fit_heatmap(known, HeatmapPlan(epochs=run.epochs, seed=run.seed), tell), run.side
    )
    heat = HeatmapRuntime(model).heat(planes(kept.pictures))
    figures: dict[str, Any] = {
        "pictures_learned": len(known),
        "pictures_kept": len(kept),
        "machines_learned": len(np.unique(known.groups)),
        "machines_kept": len(np.unique(kept.groups)),
        "pictures_kept_with_defect": int(kept.defective.sum()),
        "side": run.side,
        "decoder": heat_figures(kept, heat),
    }
    for name, other in control_heats(known, kept, run.seed).items():
        figures[f"control_{name}"] = heat_figures(kept, other)
    figures["pixel_ap_by_defect"] = precision_by_state(kept, heat)
    figures["pixel_ap_chance"] = float(kept.masks.mean())
    return figures, model


def lane_masked(run: LaneRun, tell: Tell) -> Masked:
    """Return the product of each window's frame, cut out by the asset card and squared."""
    policy = SimulatePolicy(
        seed=run.seed, assets=run.machines, missing_share=0.0, sensor_fault_share=0.0
    )
    pictures, masks, shown = [], [], []
    for number, one in enumerate(lane_pictures(run.windows, policy)):
        picture, mask = _product(one, run.side)
        pictures.append(picture)
        masks.append(mask)
        shown.append((one.asset, one.state))
        if (number + 1) % _TOLD_EVERY == 0:
            tell(f"simulated {number + 1} of {run.windows} windows")
    assets, states = np.array(shown).T
    return Masked(np.array(pictures), np.array(masks), assets, states)


def _product(one: LanePicture, side: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    frame = cv2.imdecode(np.frombuffer(one.jpeg, np.uint8), cv2.IMREAD_COLOR)
    part = None if frame is None else cut(np.asarray(frame, np.uint8), one.box)
    where = cut(one.mask.astype(np.uint8) * np.uint8(255), one.box)
    if part is None or where is None:
        raise InputError(f"{one.asset}: its product region {one.box} lies outside the picture")
    mask = cv2.resize(where, (side, side), interpolation=cv2.INTER_AREA) > _HALF
    return fit(part, side, side)[..., ::-1], np.asarray(mask)
