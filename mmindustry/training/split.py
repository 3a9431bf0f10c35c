"""Grouped splits: what shares an asset never stands on two sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError

Rows = NDArray[np.int64]

_LEAST_GROUPS = 3


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers of the three sides; the groups of each are in no other."""

    train: Rows
    validate: Rows
    test: Rows


def split_by_group(groups: NDArray[np.str_], *, validate: float, test: float, seed: int) -> Split:
    """Return a split in which every group is on one side only.

    Args:
        groups: (windows,) group of each window, such as its asset.
        validate: Share of the groups to stop and calibrate on, 0..1.
        test: Share of the groups for the figures, 0..1.
        seed: Of the order the groups are dealt in.

    Raises:
        InputError: Fewer than three groups.
    """
    names = np.unique(groups)
    if len(names) < _LEAST_GROUPS:
        raise InputError(f"{len(names)} assets are too few for train, validate and test: need 3")
    dealt = np.random.default_rng(seed).permutation(names)
    tests = max(1, round(test * len(names)))
    validates = max(1, round(validate * len(names)))
    sides = (dealt[tests + validates :], dealt[tests : tests + validates], dealt[:tests])
    return Split(*(np.flatnonzero(np.isin(groups, side)) for side in sides))


def plant_split(groups: NDArray[np.str_], seed: int) -> Split:
    """Return the split of windows of the simulated plant, the same for all that is made of them: a
    fifth of the machines gives the figures, an eighth stops and calibrates."""
    return split_by_group(groups, validate=0.12, test=0.2, seed=seed)


def in_parts(rows: Rows, size: int) -> list[Rows]:
    """Return the rows in parts of at most `size`, in order.

    >>> [part.tolist() for part in in_parts(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    return [rows[at : at + size] for at in range(0, len(rows), size)]
