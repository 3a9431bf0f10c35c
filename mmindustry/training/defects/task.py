"""Defects on pictures: where they are, learned from what was drawn or from normal ones alone."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.fusion.patch_encoders import PatchEncoder, patch_encoder
from mmindustry.fusion.patches import picture_score
from mmindustry.fusion.weights import pack, unpack
from mmindustry.training.defects.finders import TAUGHT_BY, Finder, Teacher, finder_of, need_torch
from mmindustry.training.defects.found import drawn_figures, enlarged, picture_figures
from mmindustry.training.defects.marked import Marked
from mmindustry.training.defects.regions import Limits, Plane, Region, mask_of, regions_of
from mmindustry.training.defects.trial import try_out
from mmindustry.training.pictures import Picture, heat_over, read_picture
from mmindustry.training.real.looks import look_at
from mmindustry.training.real.painted import Mask
from mmindustry.training.real.shelf import (
    Order,
    Tell,
    common_size,
    fill_shelf,
    working_folder,
)
from mmindustry.training.tasks.saved import told_of

KIND = "defect_task"
LONGEST = 640
"""Pixels of the longer side that pictures are brought to where nothing else is said."""
_LONGEST_RANGE = (64, 2_048)
_FEW = 2
_GREEN = (80, 220, 80)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectPlan:
    """How defects are learned; nothing of it is chosen by a run."""

    encoder: str = "builtin"
    """Of `patch_encoders`."""
    by: str = ""
    """Of `TAUGHT_BY`; empty: by masks where two groups have any, else by normal pictures."""
    longest: int = LONGEST
    """Pixels of the longer side that pictures are brought to, 64..2048."""
    false_share: float = 0.05
    """Share of normal pictures that may hold a find, where normal ones alone teach; above 0,
    below 1."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            InputError: One is left.
        """
        low, high = _LONGEST_RANGE
        if not low <= self.longest <= high:
            raise InputError(f"longest side {self.longest}: give {low} to {high} pixels")
        if self.by and self.by not in TAUGHT_BY:
            raise InputError(f"by {self.by!r}: give one of {', '.join(TAUGHT_BY)}")
        if not 0 < self.false_share < 1:
            raise InputError(f"false share {self.false_share:g}: give one above 0 and below 1")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found on a picture, in its own pixels.

    `mask`: the pixels of all regions; `normal_share`: how many normal pictures that had no say
    look at least so strange, 0..1 (a conformal p-value).
    """

    picture: Picture
    heat: Plane
    mask: Mask
    limits: Limits
    regions: tuple[Region, ...]
    score: float
    normal_share: float

    def to_json(self) -> dict[str, Any]:
        """Return what was found as plain JSON; boxes are left, top, width, height."""
        return {
            "defective": bool(self.regions),
            "score": self.score,
            "normal_share": self.normal_share,
            "limits": {"peak": self.limits.peak, "edge": self.limits.edge},
            "regions": [
                {"box": one.box, "area": one.area, "peak": one.peak, "score": one.score}
                for one in self.regions
            ],
        }

    def drawn(self) -> Picture:
        """Return the picture with its heat laid over it and its regions in boxes."""
        low, high = float(np.median(self.heat)), max(float(self.heat.max()), self.limits.peak)
        laid = heat_over(self.picture, (self.heat - low) / max(high - low, 1e-9))
        for region in self.regions:
            left, top, width, height = region.box
            corner = left + width, top + height
            laid = np.asarray(cv2.rectangle(laid, (left, top), corner, _GREEN, 1), np.uint8)
        return laid

    def drawn_mask(self) -> Picture:
        """Return 255 where a region is, else 0."""
        return np.where(self.mask, 255, 0).astype(np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectTask:
    """What finds defects on pictures, with its limits and scores of normal pictures."""

    by: str
    eyes: PatchEncoder
    longest: int
    finder: Finder
    limits: Limits
    normal: NDArray[np.float32]

    @classmethod
    def fit(
        cls, marked: Marked, plan: DefectPlan, tell: Tell, *, work: Path | None = None
    ) -> tuple["DefectTask", dict[str, Any]]:
        """Return what finds defects, and its figures on groups that had no say.

        Args:
            marked: Pictures to learn from.
            plan: How.
            tell: Takes progress.
            work: Folder in which feature maps are kept for a next run.

        Raises:
            InputError: A file can't be read, or there is too little to learn from.
            MissingExtra: The encoder, or what masks teach, needs an extra that is not installed.
        """
        by = plan.by or _taught_by(marked)
        if by == "masks":
            need_torch()
        eyes = patch_encoder(plan.encoder)
        looks = look_at(marked.pictures)
        size = common_size(looks.shapes, plan.longest)
        with working_folder(work) as kept:
            shelf = fill_shelf(kept, Order(marked.pictures, eyes, size), tell)
            teacher = Teacher(marked, shelf, size, by=by)
            tried = try_out(marked, teacher, tell, false_share=plan.false_share)
            finder = teacher.teach(np.arange(len(marked.pictures)))
        figures = {
            "pictures": len(marked.pictures),
            "defective": int(marked.defective.sum()),
            "groups": len(np.unique(marked.groups)),
            "grouped_by": marked.grouped_by,
            "taught_by": by,
            "encoder": eyes.name,
            "brought_to": list(size),
            **picture_figures(marked, tried, looks),
        }
        if marked.drawn.any():
            figures |= drawn_figures(marked, tried, size)
        normal = np.sort(tried.scores[~marked.defective]).astype(np.float32)
        task = cls(
            by=by,
            eyes=eyes,
            longest=plan.longest,
            finder=finder,
            limits=tried.limits,
            normal=normal,
        )
        return task, figures

    def look(self, path: Path) -> Seen:
        """Return what is found on a picture.

        Raises:
            InputError: It can't be read.
        """
        picture = read_picture(path)
        own = picture.shape[0], picture.shape[1]
        size = common_size([own], self.longest)
        small = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
        cells = self.finder.heat(self.eyes.maps(np.asarray(small, np.uint8)))
        heat = enlarged(cells, size)
        solid = mask_of(heat, self.limits).astype(np.uint8)
        scale = own[1] / size[1], own[0] / size[0]
        score = picture_score(cells, self.finder.strongest)
        stranger = len(self.normal) - int(np.searchsorted(self.normal, score, "left"))
        return Seen(
            picture=picture,
            heat=enlarged(heat, own),
            mask=np.asarray(cv2.resize(solid, own[::-1], interpolation=cv2.INTER_NEAREST) > 0),
            limits=self.limits,
            regions=tuple(_scaled(one, scale) for one in regions_of(heat, self.limits)),
            score=score,
            normal_share=(1 + stranger) / (1 + len(self.normal)),
        )

    def save(self, path: Path) -> None:
        """Write it as JSON, arrays as safetensors in base 64; the encoder is named, not held."""
        content = pack(self.finder.arrays() | {"normal": self.normal})
        told = {
            "kind": KIND,
            "taught_by": self.by,
            "encoder": self.eyes.name,
            "longest": self.longest,
            "peak": self.limits.peak,
            "edge": self.limits.edge,
            "arrays": b64encode(content).decode("ascii"),
        }
        path.write_text(json.dumps(told))

    @classmethod
    def load(cls, path: Path) -> "DefectTask":
        """Return what `save` wrote.

        Raises:
            InputError: The file holds something else.
            MissingExtra: It needs an extra that is not installed.
        """
        told = told_of(path, KIND)
        arrays = unpack(b64decode(told["arrays"]), str(path))
        normal = arrays.pop("normal")
        return cls(
            by=told["taught_by"],
            eyes=patch_encoder(told["encoder"]),
            longest=int(told["longest"]),
            finder=finder_of(told["taught_by"], arrays),
            limits=Limits(peak=float(told["peak"]), edge=float(told["edge"])),
            normal=normal,
        )


def _taught_by(marked: Marked) -> str:
    return TAUGHT_BY[0] if len(np.unique(marked.groups[marked.drawn])) >= _FEW else TAUGHT_BY[1]


def _scaled(region: Region, scale: tuple[float, float]) -> Region:
    """Return a region in pixels (across, down) times as fine."""
    across, down = scale
    left, top, width, height = region.box
    box = (
        int(left * across),
        int(top * down),
        max(1, round(width * across)),
        max(1, round(height * down)),
    )
    peak = int((region.peak[0] + 0.5) * across), int((region.peak[1] + 0.5) * down)
    area = max(1, round(region.area * across * down))
    return replace(region, box=box, area=area, peak=peak)
