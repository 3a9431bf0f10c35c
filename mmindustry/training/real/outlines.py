"""Damage as people draw it: outlines in labelme and COCO files, as masks of any size."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.fusion.patch_encoders import STRIDES

Polygon = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SUBPIXEL = 3


class Mark(Protocol):
    """What somebody drew on a picture."""

    def mask(self, width: int, height: int) -> Mask:
        """Return where the defect is, at a size."""
        ...


@dataclass(frozen=True, slots=True)
class Outlines:
    """Polygons (points, 2) in pixels of a picture `size` (width, height) large; none: no damage."""

    polygons: tuple[Polygon, ...]
    size: tuple[float, float]

    def mask(self, width: int, height: int) -> Mask:
        """Return what lies inside an outline, at a size."""
        drawn = np.zeros((height, width), np.uint8)
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
        polygons = tuple(_outline(shape) for shape in document["shapes"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a labelme file ({error!r})") from error
    return Outlines(polygons, size)


def coco_outlines(path: Path, document: Mapping[str, Any]) -> dict[str, Outlines]:
    """Return file name -> what a COCO file of instances says of that picture.

    Polygons are taken, and boxes where an annotation has no polygon.

    Raises:
        InputError: It is no such file, or a region is run-length coded.
    """
    try:
        pictures = {one["id"]: one for one in document["images"]}
        drawn: dict[Any, list[Polygon]] = {number: [] for number in pictures}
        for one in document["annotations"]:
            drawn[one["image_id"]] += _regions(path, one)
        return {
            str(one["file_name"]): Outlines(
                tuple(drawn[number]), (float(one["width"]), float(one["height"]))
            )
            for number, one in pictures.items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a COCO file of instances ({error!r})") from error


def _regions(path: Path, annotation: Mapping[str, Any]) -> list[Polygon]:
    told = annotation.get("segmentation")
    if isinstance(told, dict):
        raise InputError(
            f"{path}: annotation {annotation.get('id')} is run-length coded; export polygons, or "
            "masks as PNG"
        )
    if told:
        return [np.asarray(points, np.float64).reshape(-1, 2) for points in told]
    left, top, width, height = (float(number) for number in annotation["bbox"])
    return [_rectangle((left, top), (left + width, top + height))]


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
