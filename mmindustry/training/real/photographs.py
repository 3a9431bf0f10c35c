"""Photographs of machines in sequence: found in a folder by their names, with their polygons."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.training.pictures import SUFFIXES
from mmindustry.training.real.outlines import Outlines, labelme_outlines, read_document

_TIME = re.compile(r"\d{12}|\d{14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """One picture: which sequence, when (`yymmddHHMMSS`), which of it, and its damage."""

    path: Path
    sequence: str
    time: str
    index: int
    round: int
    damage: Outlines

    def mask(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return where the damage is, at a size."""
        return self.damage.mask(width, height)


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
        found.append(
            Photograph(
                path=path,
                sequence=sequence,
                time=time,
                index=index,
                round=rounds[time, sequence],
                damage=_damage(labels.get(path.stem)),
            )
        )
    return found


def labels_without_photograph(folder: Path, photos: Sequence[Photograph]) -> list[Path]:
    """Return the label files below a folder that are of none of the photographs.

    A JSON file is a label if it is named as photographs are, or holds labelme's shapes.
    """
    known = {photo.path.stem for photo in photos}
    others = (path for path in sorted(folder.rglob("*.json")) if path.stem not in known)
    return [path for path in others if taken_at(path) is not None or _has_shapes(path)]


def _has_shapes(path: Path) -> bool:
    try:
        return "shapes" in read_document(path)
    except InputError:
        return False  # no labelme file, and not named as one


def taken_at(path: Path) -> tuple[str, str] | None:
    """Return (sequence, time) as a photograph's name tells them; None where it doesn't."""
    parts = path.stem.split("_")
    at = next((i for i, part in enumerate(parts) if _TIME.fullmatch(part)), None)
    if at is None:
        return None
    places = takewhile(str.isdigit, parts[at + 1 :])
    return "_".join(places) or path.parent.name, parts[at]


def _named(folder: Path) -> Iterator[tuple[str, str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and (taken := taken_at(path)) is not None:
            yield *taken, path


def _rounds(taken: list[tuple[str, str]]) -> Mapping[tuple[str, str], int]:
    """Return the round of each (time, sequence): a new one begins where a sequence comes again."""
    rounds, number, met = {}, 0, set[str]()
    for time, sequence in sorted(taken):
        if sequence in met:
            number, met = number + 1, set()
        met.add(sequence)
        rounds[time, sequence] = number
    return rounds


def _damage(label: Path | None) -> Outlines:
    if label is None:
        return Outlines((), (1.0, 1.0))
    return labelme_outlines(label, read_document(label))
