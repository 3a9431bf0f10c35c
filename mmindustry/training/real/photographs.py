"""Photographs of machines in sequence: found in a folder by their names, with their polygons."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.training.pictures import SUFFIXES

Polygon = NDArray[np.float64]

_TIME = re.compile(r"\d{12}|\d{14}")
_SUBPIXEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """One picture: which sequence, when (`yymmddHHMMSS`), which of it, and its damage.

    `polygons` are in pixels of a picture `labelled` (width, height) large; none: no damage.
    """

    path: Path
    sequence: str
    time: str
    index: int
    round: int
    polygons: tuple[Polygon, ...]
    labelled: tuple[float, float]

    def mask(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return where the damage is, at a size."""
        drawn = np.zeros((height, width), np.uint8)
        for polygon in self.polygons:
            scaled = polygon * (width / self.labelled[0], height / self.labelled[1])
            points = np.round(scaled * 2**_SUBPIXEL).astype(np.int32)
            cv2.fillPoly(drawn, [points], (255,), cv2.LINE_8, _SUBPIXEL)
        return drawn > 0


def find_photographs(folder: Path) -> list[Photograph]:
    """Return the photographs below a folder, by sequence and time.

    A photograph's name holds a time of 12 or 14 digits between underscores; the numbers behind it
    up to the next word name the sequence. A labelme file of the same stem, anywhere below the
    folder, holds its damage; no file: no damage.

    Raises:
        InputError: No such photograph is there, or a label can't be read.
    """
    named = list(_named(folder))
    if not named:
        raise InputError(
            f"{folder}: no photographs in sequence; names such as "
            "01_200828110014_277500_315_crop_2.jpg are looked for, in all folders below"
        )
    labels = {path.stem: path for path in sorted(folder.rglob("*.json"))}
    rounds = _rounds([(time, sequence) for sequence, time, _ in named])
    seen: dict[str, int] = {}
    found = []
    for sequence, time, path in sorted(named):
        index = seen[sequence] = seen.get(sequence, -1) + 1
        polygons, size = _damage(labels.get(path.stem))
        found.append(
            Photograph(
                path=path,
                sequence=sequence,
                time=time,
                index=index,
                round=rounds[time, sequence],
                polygons=polygons,
                labelled=size,
            )
        )
    return found


def _named(folder: Path) -> Iterator[tuple[str, str, Path]]:
    for path in sorted(folder.rglob("*")):
        parts = path.stem.split("_")
        at = next((i for i, part in enumerate(parts) if _TIME.fullmatch(part)), None)
        if path.suffix.lower() in SUFFIXES and at is not None:
            places = []
            for part in parts[at + 1 :]:
                if not part.isdigit():
                    break
                places.append(part)
            yield "_".join(places) or path.parent.name, parts[at], path


def _rounds(taken: list[tuple[str, str]]) -> Mapping[tuple[str, str], int]:
    """Return the round of each (time, sequence): a new one begins where a sequence comes again."""
    rounds, number, met = {}, 0, set[str]()
    for time, sequence in sorted(taken):
        if sequence in met:
            number, met = number + 1, set()
        met.add(sequence)
        rounds[time, sequence] = number
    return rounds


def _damage(label: Path | None) -> tuple[tuple[Polygon, ...], tuple[float, float]]:
    if label is None:
        return (), (1.0, 1.0)
    try:
        document = json.loads(label.read_text())
        size = float(document["imageWidth"]), float(document["imageHeight"])
        polygons = tuple(_outline(shape) for shape in document["shapes"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{label}: not a labelme file ({error!r})") from error
    return polygons, size


def _outline(shape: Mapping[str, Any]) -> Polygon:
    """Return a shape's outline: polygons as they are, rectangles by their corners, discs round."""
    points = np.asarray(shape["points"], np.float64).reshape(-1, 2)
    kind = shape.get("shape_type", "polygon")
    if kind == "rectangle":
        (left, top), (right, bottom) = points
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    if kind == "circle":
        radius = np.hypot(*(points[1] - points[0]))
        turns = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        return np.asarray(points[0] + radius * np.stack([np.cos(turns), np.sin(turns)], axis=1))
    return points
