"""Pictures with what was drawn on them, found in a folder of one's own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.training.pictures import SUFFIXES
from mmindustry.training.real.alike import alike
from mmindustry.training.real.labels import named_anomalous
from mmindustry.training.real.outlines import (
    Mark,
    Outlines,
    coco_outlines,
    labelme_outlines,
    read_document,
)
from mmindustry.training.real.painted import Mask
from mmindustry.training.real.photographs import taken_at
from mmindustry.training.real.products import MASK_ENDING, is_mask_folder, mask_at, masks_in, some

Names = NDArray[np.str_]
Truth = NDArray[np.bool_]

GROUPED_BY = ("sequence", "folder", "look", "picture")
"""What pictures may not be parted by, the surest first."""
_FEW = 2


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask as a picture of its own."""

    path: Path

    def mask(self, width: int, height: int) -> Mask:
        """Return what is drawn, at a size."""
        return mask_at(self.path, (height, width))


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """Pictures, what is drawn on each (None: nothing), which are defective, what none is torn
    from, and by what that was told (of `GROUPED_BY`)."""

    pictures: tuple[Path, ...]
    marks: tuple[Mark | None, ...]
    defective: Truth
    groups: Names
    grouped_by: str

    @property
    def drawn(self) -> Truth:
        """Which pictures have a defect drawn on them."""
        return np.array([mark is not None for mark in self.marks], np.bool_)

    def masks(self, size: tuple[int, int]) -> Iterator[Mask]:
        """Yield where the defect is on each picture, at (height, width)."""
        empty = np.zeros(size, np.bool_)
        return (empty if one is None else one.mask(size[1], size[0]) for one in self.marks)


def find_marked(folder: Path, *, labels: Path | None = None, grouped_by: str = "") -> Marked:
    """Return the pictures below a folder with their masks and outlines.

    Masks lie in a folder `mask`, `masks` or `ground_truth` and are named as their pictures, or
    beside them as NAME_mask.png; outlines stand in labelme files NAME.json or in COCO files of
    instances. A picture without any is normal. Where nothing at all is drawn, a word such as
    `good`, `ok` or `defect` in a picture's name, or else its folder's, tells which are; where some
    are named normal, those of which nothing is said are defective, else they are normal.

    Args:
        folder: Looked through with all folders below, hidden ones passed.
        labels: Where else masks and outlines are looked for.
        grouped_by: Of `GROUPED_BY`; empty: told from the pictures.

    Raises:
        InputError: No picture is there, what is drawn can't be read or has no picture, or other
            pictures are drawn on and one named defective is not.
    """
    if grouped_by and grouped_by not in GROUPED_BY:
        raise InputError(f"group {grouped_by!r}: give one of {', '.join(GROUPED_BY)}")
    pictures = tuple(path for path in _pictures(folder) if labels not in path.parents)
    if not pictures:
        raise InputError(f"{folder}: no picture there ({', '.join(sorted(SUFFIXES))})")
    found = _marks(folder, labels, pictures)
    marks = tuple(found.get(path) for path in pictures)
    defective = np.array([mark is not None for mark in marks])
    named = [named_anomalous(path, folder) for path in pictures]
    if not defective.any():
        defective = np.array([said is True or (said is None and False in named) for said in named])
    blank = [p for p, mark, said in zip(pictures, marks, named, strict=True) if said and not mark]
    if blank and any(marks):
        raise InputError(
            f"{folder}: named defective, yet nothing is drawn on {some(blank)}, as on others; draw "
            "the defects or leave these pictures out"
        )
    name, groups = _groups(folder, pictures, defective, grouped_by=grouped_by)
    return Marked(
        pictures=pictures, marks=marks, defective=defective, groups=groups, grouped_by=name
    )


def _pictures(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one that holds pictures")
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        masked = any(is_mask_folder(place) for place in inside.parents)
        drawn = hidden or masked or path.stem.endswith(MASK_ENDING)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not drawn:
            yield path


def _marks(folder: Path, labels: Path | None, pictures: Sequence[Path]) -> Mapping[Path, Mark]:
    """Return picture -> what is drawn on it, where anything is."""
    masks: dict[Path, Path] = {}
    for place in sorted(path for path in folder.rglob("*") if path.is_dir()):
        if is_mask_folder(place):
            masks |= masks_in(place, [path for path in pictures if place.parent in path.parents])
    for path in pictures:
        beside = path.with_name(f"{path.stem}{MASK_ENDING}.png")
        if beside.is_file():
            masks[path] = beside
    places = [folder] if labels is None else [folder, labels]
    if labels is not None:
        masks |= masks_in(labels, pictures)
    found: dict[Path, Mark] = {}
    for place in places:
        for path in sorted(place.rglob("*.json")):
            found |= _outlines(path, place, pictures)
    drawn = {path: MaskFile(mask) for path, mask in masks.items()}
    return found | {path: mark for path, mark in drawn.items() if mask_at(mark.path).any()}


def _outlines(path: Path, place: Path, pictures: Sequence[Path]) -> dict[Path, Outlines]:
    document = read_document(path)
    if "annotations" in document and "images" in document:
        told = coco_outlines(path, document)
        found = {_picture_of(path, name, place, pictures): one for name, one in told.items()}
    elif "shapes" in document:
        found = {_picture_of(path, path.stem, place, pictures): labelme_outlines(path, document)}
    else:
        return {}
    return {picture: one for picture, one in found.items() if one.damaged}


def _picture_of(label: Path, name: str, place: Path, pictures: Sequence[Path]) -> Path:
    """Return the picture that a label names: beside it, or the only one of that name."""
    stem = Path(name).stem if Path(name).suffix.lower() in SUFFIXES else Path(name).name
    fitting = [path for path in pictures if path.stem == stem]
    for near in (label.parent / Path(name).parent, place / Path(name).parent):
        if len(fitting) > 1:
            fitting = [path for path in fitting if path.parent == near] or fitting
    if len(fitting) != 1:
        raise InputError(f"{label}: {len(fitting) or 'no'} picture(s) named {name}; one is needed")
    return fitting[0]


def _folders(folder: Path, path: Path) -> list[str]:
    return [part.lower() for part in path.relative_to(folder).parts[:-1]]


def _groups(
    folder: Path, pictures: Sequence[Path], defective: Truth, *, grouped_by: str
) -> tuple[str, Names]:
    """Return what pictures are grouped by, and the group of each.

    By sequence where every name tells one; by folder where two folders at least hold pictures of
    both kinds, or there is one kind only (a folder of one kind is a class, no machine); by looks
    where near-copies are few; else each picture stands for itself.
    """
    ways: dict[str, Callable[[], Names | None]] = {
        "sequence": lambda: _sequences(pictures),
        "folder": lambda: np.array(["/".join(_folders(folder, path)) for path in pictures]),
        "look": lambda: alike(pictures),
        "picture": lambda: np.array([str(path) for path in pictures]),
    }
    if grouped_by:
        named = ways[grouped_by]()
        if named is None:
            raise InputError(f"{folder}: not every picture's name tells a sequence and a time")
        return grouped_by, named
    for name in GROUPED_BY[:-1]:
        groups = ways[name]()
        if groups is not None and _tells(name, groups, defective):
            return name, groups
    return GROUPED_BY[-1], np.array([str(path) for path in pictures])


def _sequences(pictures: Sequence[Path]) -> Names | None:
    taken = [taken_at(path) for path in pictures]
    named = [one[0] for one in taken if one is not None]
    return np.array(named) if len(named) == len(pictures) else None


def _tells(name: str, groups: Names, defective: Truth) -> bool:
    bad, good = (set(groups[kind].tolist()) for kind in (defective, ~defective))
    if name == "folder" and bad and good:
        return len(bad & good) >= _FEW
    if name == "look":
        return bool(np.unique(groups, return_counts=True)[1].max() <= len(groups) / _FEW)
    return len(bad or good) >= _FEW
