"""Plates with and without a dark scratch, as files."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 128, 96
SCRATCHES = ((30, 40), (80, 20), (60, 60), (20, 70), (96, 50), (44, 24))


def write_plate(path: Path, seed: int, scratch: tuple[int, int] | None = None) -> None:
    """Write a plate; its scratch is 14 x 10 pixels, the left upper corner given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    picture = random.normal(140, 8, (HEIGHT, WIDTH, 3)).clip(0, 255).astype(np.uint8)
    if scratch is not None:
        picture[area(scratch)] = 25
    assert cv2.imwrite(str(path), picture)


def area(scratch: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of a scratch."""
    left, top = scratch
    return slice(top, top + 10), slice(left, left + 14)


def mask_of_scratch(scratch: tuple[int, int]) -> NDArray[np.uint8]:
    """Return 255 in a scratch, else 0."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[area(scratch)] = 255
    return mask


def lay_out(folder: Path, *, normal: int = 8, masks: bool = True) -> Path:
    """Write normal plates, and scratched ones with masks, in a folder each."""
    for number in range(normal):
        write_plate(folder / "good" / f"n{number}.png", number)
    for number, scratch in enumerate(SCRATCHES):
        write_plate(folder / "scratched" / f"s{number}.png", 100 + number, scratch)
        if masks:
            path = folder / "masks" / f"s{number}.png"
            path.parent.mkdir(exist_ok=True)
            assert cv2.imwrite(str(path), mask_of_scratch(scratch))
    return folder
