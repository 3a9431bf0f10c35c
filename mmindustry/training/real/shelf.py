"""Feature maps of many pictures on disk, so that they are made once and never all in memory."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.patch_encoders import STRIDES, Levels, PatchEncoder
from mmindustry.training.pictures import read_picture

Tell = Callable[[str], None]
_MULTIPLE = STRIDES[-1]
_TOLD_EVERY = 50


@dataclass(frozen=True, slots=True)
class Shelf:
    """Maps of pictures in half precision, one file a level, memory-mapped."""

    levels: tuple[NDArray[np.float16], ...]

    def __getitem__(self, number: int) -> Levels:
        """Return the levels of one picture."""
        return tuple(np.asarray(level[number], np.float32) for level in self.levels)


@contextmanager
def working_folder(work: Path | None) -> Iterator[Path]:
    """Give the folder named, kept; or one of its own, gone afterwards."""
    folder = work or Path(mkdtemp(prefix="mmindustry-evaluate-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if work is None:
            rmtree(folder, ignore_errors=True)


def common_size(shapes: Sequence[tuple[int, int]], longest: int) -> tuple[int, int]:
    """Return the one (height, width) that all pictures are brought to.

    Args:
        shapes: (height, width) of each picture; the median aspect is kept.
        longest: Of the two sides, rounded to a multiple of 16 as both are.

    >>> common_size([(460, 1130), (460, 1130), (645, 1540)], 832)
    (336, 832)
    """
    aspect = float(np.median([height / width for height, width in shapes]))
    height, width = (longest * aspect, longest) if aspect <= 1 else (longest, longest / aspect)
    return _rounded(height), _rounded(width)


def brought(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the picture at (height, width), by area."""
    picture = read_picture(path)
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True, slots=True)
class Order:
    """What a shelf is to hold: which pictures, seen by which encoder, at (height, width)."""

    paths: Sequence[Path]
    encoder: PatchEncoder
    size: tuple[int, int]


def fill_shelf(folder: Path, order: Order, tell: Tell) -> Shelf:
    """Return the shelf of these pictures, read from `folder` where it stands there complete."""
    name = _name(order)
    files = [folder / f"{name}-{stride}.npy" for stride in STRIDES]
    if not all(file.exists() for file in files):
        partial = [file.with_suffix(".partial") for file in files]
        _make(partial, order, tell)
        for made, file in zip(partial, files, strict=True):
            made.replace(file)
    return Shelf(tuple(np.load(file, mmap_mode="r") for file in files))


def _make(files: Sequence[Path], order: Order, tell: Tell) -> None:
    paths, encoder, size = order.paths, order.encoder, order.size
    levels = [
        np.lib.format.open_memmap(
            file, "w+", np.float16, (len(paths), size[0] // stride, size[1] // stride, width)
        )
        for file, stride, width in zip(files, STRIDES, encoder.widths, strict=True)
    ]
    for number, path in enumerate(paths):
        for level, found in zip(levels, encoder.maps(brought(path, size)), strict=True):
            level[number] = found
        if number % _TOLD_EVERY == 0:
            tell(f"{encoder.name}: {number} of {len(paths)} pictures")
    for level in levels:
        level.flush()


def _name(order: Order) -> str:
    told = hashlib.sha256(f"{order.encoder.name} {order.encoder.widths} {order.size}".encode())
    for path in order.paths:
        now = path.stat()
        told.update(f"{path} {now.st_size} {now.st_mtime_ns}".encode())
    return told.hexdigest()[:16]


def _rounded(side: float) -> int:
    return max(2, round(side / _MULTIPLE)) * _MULTIPLE
