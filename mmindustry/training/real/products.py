"""Pictures of products and masks of their defects, found in a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.training.pictures import SUFFIXES

_MASK_FOLDERS = frozenset({"mask", "masks", "ground_truth"})
_MASK_ENDING = "_mask"
_DRAWN = 127
_CHANNELS_WITH_ALPHA = 4


@dataclass(frozen=True, slots=True)
class Product:
    """One kind of product: its pictures by path, and the mask of each that has a defect."""

    name: str
    pictures: tuple[Path, ...]
    masks: tuple[Path | None, ...]

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Which pictures are anomalous: those with a mask."""
        return np.array([mask is not None for mask in self.masks])


def find_products(folder: Path) -> list[Product]:
    """Return the products below a folder: wherever a folder of masks stands beside pictures.

    A folder named `mask`, `masks` or `ground_truth` holds masks named as their pictures (`_mask`
    may follow); all other pictures beside and below it are the product's, normal without a mask.

    Raises:
        InputError: There is none, or a mask has no picture.
    """
    found = list(_products(folder))
    if not found:
        raise InputError(
            f"{folder}: no products; a folder of pictures is looked for beside a folder `masks` "
            "whose files are named as the anomalous pictures"
        )
    return found


def read_mask(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where the defect is at (height, width): opaque pixels, or light ones without alpha.

    Raises:
        InputError: It can't be decoded, or nothing is drawn on it.
    """
    drawn = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if drawn is None:
        raise InputError(f"{path}: no mask that can be decoded")
    plane = drawn if drawn.ndim == 2 else drawn[..., :3].max(axis=2)  # noqa: PLR2004 - grey
    if drawn.ndim == 3 and drawn.shape[2] == _CHANNELS_WITH_ALPHA:  # noqa: PLR2004 - colour
        plane = drawn[..., 3]
    solid = np.ascontiguousarray(plane > _DRAWN).astype(np.uint8)
    mask = np.asarray(cv2.resize(solid, size[::-1], interpolation=cv2.INTER_NEAREST)) > 0
    if not mask.any():
        raise InputError(f"{path}: an empty mask; a picture without a defect has none")
    return mask


def _products(folder: Path) -> Iterator[Product]:
    for place in sorted(path for path in folder.rglob("*") if path.is_dir()):
        if place.name.lower() not in _MASK_FOLDERS:
            continue
        masks = {_plain(path): path for path in _pictures(place)}
        pictures = [p for p in _pictures(place.parent) if place not in p.parents]
        if not masks or not pictures:
            continue
        if lost := sorted(set(masks) - {path.stem for path in pictures}):
            raise InputError(f"{place}: no picture for the mask {lost[0]} ({len(lost)} such)")
        yield Product(
            place.parent.name, tuple(pictures), tuple(masks.get(path.stem) for path in pictures)
        )


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _plain(path: Path) -> str:
    return path.stem.removesuffix(_MASK_ENDING)
