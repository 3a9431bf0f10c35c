"""What image processing sees: a pit is no scratch, and shade is no pit."""

import cv2
import numpy as np
import pytest

from mmindustry.fusion.texture import Plane, logged, pitted, roughness

LOWER_CURVATURE, FILLED = 2, 6
SHAPE = (64, 64)


def drawn(kind: str) -> Plane:
    grey = np.full(SHAPE, 0.6, np.float32)
    if kind == "pit":
        cv2.circle(grey, (32, 32), 2, (0.2,), -1)
    else:
        cv2.line(grey, (0, 32), (63, 32), (0.2,), 3)
    return grey


def test_a_pit_curves_both_ways_and_a_scratch_one() -> None:
    pit, scratch = (
        pitted(logged(drawn(kind)), 2.0)[LOWER_CURVATURE][32, 32] for kind in ("pit", "scratch")
    )

    assert pit > 0.03
    assert scratch < 0.1 * pit


def test_a_disc_fills_a_pit_and_nothing_beside_it() -> None:
    filled = pitted(logged(drawn("pit")), 2.0)[FILLED]

    assert filled[32, 32] > 0.3
    assert filled[5, 5] == pytest.approx(0, abs=1e-4)


def test_a_pit_in_the_shade_is_as_deep_as_one_in_the_light() -> None:
    light, shade = (pitted(logged(drawn("pit") * part), 1.0)[FILLED] for part in (1.0, 0.5))

    assert shade.max() == pytest.approx(light.max(), rel=0.2)


def test_grain_is_rough_and_a_ramp_is_smooth() -> None:
    ramp = np.tile(np.linspace(0.3, 0.7, SHAPE[1], dtype=np.float32), (SHAPE[0], 1))
    grain = ramp + np.random.default_rng(5).normal(0, 0.05, SHAPE).astype(np.float32)

    for smooth, rough in zip(roughness(logged(ramp)), roughness(logged(grain)), strict=True):
        assert rough.mean() > smooth.mean() + 1
