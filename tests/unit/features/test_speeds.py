"""Where nobody tells the speed: what sound and dial hand on for every speed it might be."""

from dataclasses import replace

import numpy as np

from mmindustry.domain import AssetCard, Bearing, Features
from mmindustry.features import orders
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import ORDERS, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.features.speeds import speed_orders, speeds_rpm
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.windows import LabelledWindow, labelled_windows

RECIPE = Recipe(speeds=80, window_lengths=(4.0,))
CARD = AssetCard(
    nominal_speed_rpm=1500.0,
    bearings=(Bearing("6205", 9, 7.94, 39.04),),
    belt_ratio=0.3,
    blades=5,
    line_frequency_hz=50.0,
)


def _features(windows: list[LabelledWindow]) -> list[Features]:
    basis, guard = Basis.make(RECIPE), Guard()
    built = [build_features(w.window, w.context, RECIPE, basis=basis, guard=guard) for w in windows]
    return [found for found, _ in built if isinstance(found, Features)]


def test_orders_at_a_speed_are_those_that_the_drive_would_have_told() -> None:
    rng = np.random.default_rng(3)
    envelope = rng.rayleigh(1.0, (1, 1230)).astype(np.float32)
    amplitude = rng.rayleigh(1.0, (1, 4097)).astype(np.float32)

    found = speed_orders(envelope, amplitude, CARD, RECIPE)

    for place in (0, 17, 40, 79):
        rpm = float(speeds_rpm(RECIPE)[place])
        where = orders.lines(CARD, rpm)
        told, _ = orders.order_energies(envelope, amplitude, where, RECIPE)
        moved = [name != "line_sideband" for name in ORDERS]
        np.testing.assert_allclose(found[place][moved], told[0][moved], atol=1e-5)


def test_a_rate_of_impacts_fits_both_races_each_at_its_own_speed() -> None:
    plant = SimulatePolicy(state_share=0.0, twin_share=0.0, race_likeness=1.0, missing_share=0.0)
    windows = [
        w
        for w in labelled_windows(64, 5, assets=8, policy=plant)
        if w.truth.fault.startswith("bearing") and w.truth.severity > 0.5
    ]

    outer, inner = ORDERS.index("bpfo_1"), ORDERS.index("bpfi_1")
    for window, features in zip(windows, _features(windows), strict=True):
        heard = features.arrays["audio_speeds"]
        true = np.abs(np.log(speeds_rpm(RECIPE) / window.truth.gauges["speed_rpm"])).argmin()
        own, other = (outer, inner) if "outer" in window.truth.fault else (inner, outer)
        assert heard[true, own] > heard[true, other]
        assert heard[:, other].max() > 0.9 * heard[true, own]
    assert len(windows) >= 5


def test_the_dial_shows_its_needle_at_the_speed_it_tells() -> None:
    plant = SimulatePolicy(missing_share=0.0, sensor_fault_share=0.0, speed_low_ratio=0.5)
    windows = list(labelled_windows(24, 9, assets=12, policy=plant))

    apart = []
    for window, features in zip(windows, _features(windows), strict=True):
        assert features.arrays["image_dial_known"].tolist() == [1.0]
        red = features.arrays["image_dial"].reshape(RECIPE.speeds, -1, 3)
        needle = (red[:, :, 2] - red[:, :, :2].mean(axis=2)).mean(axis=1).argmax()
        apart.append(abs(np.log(speeds_rpm(RECIPE)[needle] / window.truth.gauges["speed_rpm"])))

    assert np.median(apart) < 0.05


def test_a_card_without_a_dial_leaves_it_unknown() -> None:
    window = next(iter(labelled_windows(1, 9, assets=1)))
    card = window.context.card
    assert card is not None
    bare = replace(window.context, card=replace(card, regions={}))

    found = _features([replace(window, context=bare)])[0]

    assert found.arrays["image_dial_known"].tolist() == [0.0]
    assert not found.arrays["image_dial"].any()


def test_a_recipe_without_speeds_has_no_such_arrays() -> None:
    assert not {"audio_speeds", "image_dial"} & set(Recipe().shapes())
