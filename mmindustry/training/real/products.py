"""Pictures of products and masks of their defects, found in a folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.training.pictures import SUFFIXES
from mmindustry.training.real.labels import named_anomalous

Truth = NDArray[np.bool_]

_MASK_FOLDERS = frozenset({"mask", "masks", "ground_truth"})
MASK_ENDING = "_mask"
_DRAWN = 127
_TOLD = 8
_CHANNELS_WITH_ALPHA = 4


@dataclass(frozen=True, slots=True)
class Product:
    """One kind of product: its pictures by path, the mask of each that has one, and whether a
    name or folder says that it is anomalous (None: neither does)."""

    name: str
    pictures: tuple[Path, ...]
    masks: tuple[Path | None, ...]
    named: tuple[bool | None, ...]

    @property
    def truth(self) -> Truth:
        """Which pictures are anomalous: those with a mask, and those named so."""
        told = zip(self.masks, self.named, strict=True)
        return np.array([mask is not None or said is True for mask, said in told], np.bool_)

    @property
    def without_mask(self) -> tuple[Path, ...]:
        """Those named anomalous whose defect nobody drew."""
        return self._those([said is True for said in self.named])

    @property
    def unsaid(self) -> tuple[Path, ...]:
        """Those of which neither a mask nor a name says anything; they pass for normal."""
        return self._those([said is None for said in self.named])

    def _those(self, chosen: Sequence[bool]) -> tuple[Path, ...]:
        told = zip(self.pictures, self.masks, chosen, strict=True)
        return tuple(path for path, mask, mine in told if mine and mask is None)


def find_products(folder: Path) -> list[Product]:
    """Return the products below a folder: wherever a folder of masks stands beside pictures.

    A folder named `mask`, `masks` or `ground_truth` holds masks named as their pictures (`_mask`
    may follow); all other pictures beside and below it are the product's. A picture with a mask
    or with a word such as `anomaly`, `defect` or `bad` in its name, or else its folder's, is
    anomalous; the others are normal.

    Raises:
        InputError: There is none, a mask has no picture, or a defect is drawn on a picture that
            is named normal.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = list(_products(folder))
    if not found:
        raise InputError(
            f"{folder}: no products; a folder of pictures is looked for beside a folder `masks` "
            "whose files are named as the anomalous pictures"
        )
    return found


def some(paths: Sequence[Path]) -> str:
    """Return how many files and the first names of them.

    >>> some([Path("a.png"), Path("b.png")])
    '2 (a.png, b.png)'
    """
    told = [path.name for path in paths[:_TOLD]]
    return f"{len(paths)} ({', '.join(told)}{', ...' if len(paths) > _TOLD else ''})"


def read_mask(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Return where the defect is at (height, width) or at the mask's own size.

    Raises:
        InputError: It can't be decoded, or nothing is drawn on it.
    """
    mask = mask_at(path, size)
    if not mask.any():
        raise InputError(f"{path}: an empty mask; a picture without a defect has none")
    return mask


def mask_at(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Return what is drawn on a mask at (height, width) or at its own size, maybe nothing.

    Opaque pixels where some are not; else light ones; else, on a mask whose every pixel is dark,
    those that are not black (class numbers).

    Raises:
        InputError: It can't be decoded.
    """
    content = np.frombuffer(path.read_bytes(), np.uint8)
    drawn = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
    if drawn is None:
        raise InputError(f"{path}: no mask that can be decoded")
    plane = _plane(np.asarray(drawn))
    numbered = path.suffix.lower() == ".png" and plane.max() <= _DRAWN
    solid = np.ascontiguousarray(plane > (0 if numbered else _DRAWN)).astype(np.uint8)
    if size is None:
        return solid > 0
    return np.asarray(cv2.resize(solid, size[::-1], interpolation=cv2.INTER_NEAREST)) > 0


def is_mask_folder(folder: Path) -> bool:
    """Return whether a folder holds masks, by its name."""
    return folder.name.lower() in _MASK_FOLDERS


def masks_in(place: Path, pictures: Sequence[Path]) -> dict[Path, Path]:
    """Return picture -> its mask, for all masks below a folder.

    A mask is named as its picture (`_mask` may follow); where several pictures have that name, it
    lies in a folder named as its picture's.

    Raises:
        InputError: A mask has no picture, or more than one.
    """
    named: dict[str, list[Path]] = {}
    for path in pictures:
        named.setdefault(path.stem, []).append(path)
    found: dict[Path, Path] = {}
    for mask in _pictures(place):
        fitting = named.get(_plain(mask), [])
        if len(fitting) > 1:
            fitting = [path for path in fitting if path.parent.name == mask.parent.name]
        if len(fitting) != 1:
            many = f"{len(fitting)} pictures" if fitting else "no picture"
            raise InputError(
                f"{place}: {many} for the mask {mask.stem}; one is needed, named as the mask, and "
                "where names come again in a folder named as the mask's"
            )
        found[fitting[0]] = mask
    return found


def _plane(drawn: NDArray[Any]) -> NDArray[Any]:
    if drawn.ndim == 2:  # noqa: PLR2004 - grey
        return drawn
    if drawn.shape[2] == _CHANNELS_WITH_ALPHA and drawn[..., 3].min() <= _DRAWN:
        return np.asarray(drawn[..., 3])
    return np.asarray(drawn[..., :3].max(axis=2))


def _products(folder: Path) -> Iterator[Product]:
    for place in sorted(path for path in folder.rglob("*") if path.is_dir()):
        if not is_mask_folder(place):
            continue
        pictures = [p for p in _pictures(place.parent) if place not in p.parents]
        masks = masks_in(place, pictures) if pictures else {}
        if masks:
            yield _product(place.parent, pictures, masks)


def _product(folder: Path, pictures: Sequence[Path], masks: Mapping[Path, Path]) -> Product:
    """Return the product; an empty mask of a picture that is named normal is none.

    Raises:
        InputError: A defect is drawn on a picture that is named normal.
    """
    named = tuple(named_anomalous(path, folder) for path in pictures)
    normal = {path for path, said in zip(pictures, named, strict=True) if said is False}
    drawn = {path: mask for path, mask in masks.items() if path not in normal}
    torn = [path for path in pictures if path in normal & masks.keys()]
    torn = [path for path in torn if mask_at(masks[path]).any()]
    if torn:
        raise InputError(
            f"{folder}: named normal, but a mask shows a defect: {some(torn)}; rename the "
            "pictures or take their masks away"
        )
    return Product(folder.name, tuple(pictures), tuple(drawn.get(p) for p in pictures), named)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _plain(path: Path) -> str:
    return path.stem.removesuffix(MASK_ENDING)
