"""The head on cells: what it is taught a second time."""

import numpy as np
import pytest

pytest.importorskip("torch")

from mmindustry.fusion.patch_encoders import STRIDES, Levels
from mmindustry.fusion.texture import Plane
from mmindustry.training.real.patch_head import HARD, draw_rows, fit_head, hard_rows

SHAPE = (32, 48)


def picture(*, pit: bool, stain: bool) -> tuple[Levels, Plane]:
    """Return maps whose first channel is 1 in a pit and 0.8 in a stain; the second tells them."""
    random = np.random.default_rng(3)
    fine = random.normal(0, 0.05, (*SHAPE, 2)).astype(np.float32)
    share = np.zeros(SHAPE, np.float32)
    if pit:
        share[4:8, 4:8] = 1
        fine[4:8, 4:8] += (1, 0)
    if stain:
        fine[20:26, 30:36] += (0.8, 1)
    coarse = [
        np.zeros((SHAPE[0] * 4 // stride, SHAPE[1] * 4 // stride, 1), np.float32)
        for stride in STRIDES[1:]
    ]
    return (fine, *coarse), share


def test_what_a_head_takes_for_damage_is_learned_again_and_no_pit_among_it() -> None:
    random = np.random.default_rng(7)
    pits = [picture(pit=True, stain=False) for _ in range(4)]
    rows = [draw_rows(*pit, random) for pit in pits]
    first = fit_head(rows)
    levels, share = picture(pit=True, stain=True)

    hard = hard_rows(first, levels, share)

    assert len(hard.features) == HARD
    assert not hard.damaged.any()
    assert (hard.features[:, 0] > 0.5).sum() == 9  # every second cell of the stain; none of the pit
    again = fit_head([*rows, *[hard] * 4])
    stained = again.heat(levels)[21:25, 31:35].mean()
    assert stained < first.heat(levels)[21:25, 31:35].mean()
    assert stained < again.heat(levels)[5:7, 5:7].mean()
