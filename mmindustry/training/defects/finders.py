"""What finds defects on a picture's feature maps: taught by masks, or by normal pictures alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import MissingExtra
from mmindustry.fusion.patch_encoders import STRIDES, Levels
from mmindustry.fusion.patches import DRAWN_SHARE, SCORED_SHARE, PatchBank, grow_bank, smooth
from mmindustry.fusion.texture import Plane
from mmindustry.fusion.weights import Arrays
from mmindustry.training.defects.marked import Marked
from mmindustry.training.real.outlines import damaged_share
from mmindustry.training.real.shelf import Shelf

if TYPE_CHECKING:
    from mmindustry.training.real.patch_head import PatchHead
    from mmindustry.training.real.patch_head import Rows as Cells

Rows = NDArray[np.int64]

TAUGHT_BY = ("masks", "normals")
_SEED = 7


class Finder(Protocol):
    """What gives heat; `strongest`: the share of cells that a whole picture is scored by."""

    @property
    def strongest(self) -> float:
        """Return that share, 0..1."""
        ...

    def heat(self, levels: Levels) -> Plane:
        """Return how much of a defect each cell looks."""
        ...

    def arrays(self) -> Arrays:
        """Return all it knows."""
        ...


@dataclass(frozen=True, slots=True)
class ByMasks:
    """Two layers on frozen features, taught by masks; heat in log odds, stride 4."""

    head: "PatchHead"
    strongest: float = DRAWN_SHARE

    def heat(self, levels: Levels) -> Plane:
        """Return the log odds of damage, smooth over a cell."""
        return smooth(self.head.heat(levels))

    def arrays(self) -> Arrays:
        """Return the head's."""
        return self.head.arrays()


@dataclass(frozen=True, slots=True)
class ByNormals:
    """A bank of normal patches; heat is the distance from it, stride 8."""

    bank: PatchBank
    strongest: float = SCORED_SHARE

    def heat(self, levels: Levels) -> Plane:
        """Return how strange each cell is."""
        return self.bank.heat(levels)

    def arrays(self) -> Arrays:
        """Return the bank's."""
        bank = self.bank
        level = np.array([bank.level], np.float32)
        told = {"centre": bank.centre, "scale": bank.scale, "patches": bank.patches}
        return told | {"spread": bank.spread, "level": level}


class Teacher:
    """Makes finders of some of the pictures on a shelf, `by` one of `TAUGHT_BY`."""

    def __init__(self, marked: Marked, shelf: Shelf, size: tuple[int, int], *, by: str) -> None:
        self.by, self._marked, self._shelf = by, marked, shelf
        self._cells = _drawn_cells(marked, shelf, size) if by == "masks" else []

    def heat(self, finder: Finder, picture: int) -> Plane:
        """Return a finder's heat of a picture on the shelf."""
        return finder.heat(self._shelf[picture])

    def teach(self, chosen: Rows) -> Finder:
        """Return what these pictures teach."""
        if self.by == "normals":
            normal = chosen[~self._marked.defective[chosen]]
            return ByNormals(grow_bank([self._shelf[int(k)] for k in normal]))
        from mmindustry.training.real.patch_head import fit_head  # noqa: PLC0415 - torch, on demand

        return ByMasks(fit_head([self._cells[int(k)] for k in chosen]))


def finder_of(by: str, arrays: Mapping[str, Plane]) -> Finder:
    """Return the finder of what its `arrays` told.

    Raises:
        MissingExtra: It was taught by masks, and torch is not installed.
    """
    if by == "normals":
        kept = {name: array for name, array in arrays.items() if name != "level"}
        return ByNormals(PatchBank(**kept, level=int(arrays["level"][0])))
    need_torch()
    from mmindustry.training.real.patch_head import PatchHead  # noqa: PLC0415 - torch, on demand

    return ByMasks(PatchHead.of(arrays))


def need_torch() -> None:
    """Check that what masks teach can be used.

    Raises:
        MissingExtra: It can't.
    """
    if find_spec("torch") is None:
        raise MissingExtra("defects taught by masks need torch; install mmindustry with 'torch'")


def _drawn_cells(marked: Marked, shelf: Shelf, size: tuple[int, int]) -> list["Cells"]:
    from mmindustry.training.real.patch_head import draw_rows  # noqa: PLC0415 - torch, on demand

    random = np.random.default_rng(_SEED)
    none = np.zeros((size[0] // STRIDES[0], size[1] // STRIDES[0]), np.float32)
    shares = (none if mark is None else damaged_share(mark, size) for mark in marked.marks)
    return [draw_rows(shelf[k], share, random) for k, share in enumerate(shares)]
