"""Damage as people mark it: labelme and COCO files, as masks of any size."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.fusion.patch_encoders import STRIDES
from mmindustry.training.real.painted import Mask, painted_by_runs, painted_in_box

Polygon = NDArray[np.float64]

_SUBPIXEL = 3


class Mark(Protocol):
    """What somebody drew on a picture."""

    def mask(self, width: int, height: int) -> Mask:
        """Return where the defect is, at a size."""
        ...


@dataclass(frozen=True, slots=True)
class Outlines:
    """Polygons (points, 2) in pixels of a picture `size` (width, height) large, and what was
    painted over it pixel by pixel, (height, width) each."""

    polygons: tuple[Polygon, ...]
    size: tuple[float, float]
    painted: tuple[Mask, ...] = ()

    @property
    def damaged(self) -> bool:
        """Whether there is any damage."""
        return bool(self.polygons) or any(one.any() for one in self.painted)

    def mask(self, width: int, height: int) -> Mask:
        """Return what lies inside an outline or is painted over, at a size."""
        drawn = np.zeros((height, width), np.uint8)
        for one in self.painted:
            plane = one.astype(np.uint8)
            sized = cv2.resize(plane, (width, height), interpolation=cv2.INTER_NEAREST)
            drawn |= np.asarray(sized, np.uint8)
        for polygon in self.polygons:
            scaled = polygon * (width / self.size[0], height / self.size[1])
            points = np.round(scaled * 2**_SUBPIXEL).astype(np.int32)
            cv2.fillPoly(drawn, [points], (255,), cv2.LINE_8, _SUBPIXEL)
        return drawn > 0


def damaged_share(mark: Mark, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return how much of each cell of the finest feature map is damaged, 0..1.

    Args:
        mark: What was drawn.
        size: (height, width) the picture is brought to.
    """
    cells = size[1] // STRIDES[0], size[0] // STRIDES[0]
    drawn = mark.mask(2 * size[1], 2 * size[0]).astype(np.float32)
    return np.asarray(cv2.resize(drawn, cells, interpolation=cv2.INTER_AREA), np.float32)


def read_document(path: Path) -> Mapping[str, Any]:
    """Return a JSON object; an empty one where the file holds another thing.

    Raises:
        InputError: It can't be read as JSON.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read as JSON: {error}") from error
    return document if isinstance(document, dict) else {}


def labelme_outlines(path: Path, document: Mapping[str, Any]) -> Outlines:
    """Return what a labelme file says of its picture.

    Raises:
        InputError: It is no labelme file.
    """
    try:
        size = float(document["imageWidth"]), float(document["imageHeight"])
        drawn: list[Polygon] = []
        painted: list[Mask] = []
        for shape in document["shapes"]:
            if shape.get("shape_type") == "mask":
                painted.append(painted_in_box(shape, size))
            else:
                drawn.append(_outline(shape))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a labelme file ({error!r})") from error
    return Outlines(tuple(drawn), size, tuple(painted))


def coco_outlines(path: Path, document: Mapping[str, Any]) -> dict[str, Outlines]:
    """Return file name -> what a COCO file of instances says of that picture.

    Polygons and run-length masks are taken, and boxes where an annotation has neither.

    Raises:
        InputError: It is no such file, or a mask is not of its picture's size.
    """
    try:
        marked: dict[Any, list[Mapping[str, Any]]] = {one["id"]: [] for one in document["images"]}
        for one in document["annotations"]:
            marked[one["image_id"]].append(one)
        return {
            str(one["file_name"]): _of_picture(
                (float(one["width"]), float(one["height"])), marked[one["id"]]
            )
            for one in document["images"]
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a COCO file of instances ({error!r})") from error


def _of_picture(size: tuple[float, float], marked: Sequence[Mapping[str, Any]]) -> Outlines:
    drawn: list[Polygon] = []
    painted: list[Mask] = []
    for one in marked:
        told = one.get("segmentation")
        if isinstance(told, dict):
            painted.append(_painted(one, told, size))
        elif told:
            drawn += [np.asarray(points, np.float64).reshape(-1, 2) for points in told]
        else:
            left, top, width, height = (float(number) for number in one["bbox"])
            drawn.append(_rectangle((left, top), (left + width, top + height)))
    return Outlines(tuple(drawn), size, tuple(painted))


def _painted(
    annotation: Mapping[str, Any], told: Mapping[str, Any], size: tuple[float, float]
) -> Mask:
    number = annotation.get("id")
    try:
        found = painted_by_runs(told)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"annotation {number}: no run-length mask: {error}") from error
    if found.shape != (size[1], size[0]):
        raise ValueError(
            f"annotation {number}: its mask is {found.shape}, its picture {size[::-1]}"
        )
    return found


def _outline(shape: Mapping[str, Any]) -> Polygon:
    """Return a shape's outline: polygons as they are, rectangles by their corners, discs round."""
    points = np.asarray(shape["points"], np.float64).reshape(-1, 2)
    kind = shape.get("shape_type", "polygon")
    if kind == "rectangle":
        (left, top), (right, bottom) = points
        return _rectangle((left, top), (right, bottom))
    if kind == "circle":
        radius = np.hypot(*(points[1] - points[0]))
        turns = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        return np.asarray(points[0] + radius * np.stack([np.cos(turns), np.sin(turns)], axis=1))
    return points


def _rectangle(first: tuple[float, float], last: tuple[float, float]) -> Polygon:
    (left, top), (right, bottom) = first, last
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
