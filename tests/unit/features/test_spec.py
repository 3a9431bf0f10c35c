import json

import pytest

from mmindustry.errors import BundleError
from mmindustry.features.policy import FeaturePolicy
from mmindustry.features.spec import ORDERS, Recipe


def test_recipe_survives_json_exactly() -> None:
    recipe = Recipe(segments=3, window_lengths=(10.0,), mfcc=20, regions=("gauge",))

    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))

    assert again == recipe
    assert again.shapes() == recipe.shapes()


def test_orders_are_named_once_each() -> None:
    assert len(set(ORDERS)) == len(ORDERS) == 32


def test_cepstra_have_an_array_only_where_the_recipe_asks() -> None:
    assert "audio_mfcc" not in Recipe().shapes()
    assert Recipe(mfcc=20).shapes()["audio_mfcc"] == ((5, 20, 64), "float32")


@pytest.mark.parametrize(
    "change",
    [
        {"frames": 0},
        {"hop": 300},
        {"carrier_high_hz": 9000.0},
        {"window_lengths": []},
        {"win": 600},
    ],
    ids=lambda change: next(iter(change)),
)
def test_recipe_that_cannot_be_followed_is_a_bundle_error(change: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="recipe"):
        Recipe.from_json({**Recipe().to_json(), **change})


def test_recipe_of_a_newer_make_is_refused_with_the_key_it_knows_not() -> None:
    with pytest.raises(BundleError, match="sonar"):
        Recipe.from_json({**Recipe().to_json(), "sonar": 1})
    with pytest.raises(BundleError, match="version 2"):
        Recipe.from_json({**Recipe().to_json(), "version": 2})


@pytest.mark.parametrize(
    "change", [{"scan_pixels": 0}, {"chunk_seconds": 0.0}, {"block_frames": 0}], ids=str
)
def test_limits_that_let_nothing_through_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        FeaturePolicy(**change)  # type: ignore[arg-type]  # the point of the test
