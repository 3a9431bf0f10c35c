import numpy as np
import pytest

from mmindustry.domain import Modality
from mmindustry.simulate.faults import (
    CATALOGUE,
    CLASSES,
    Decay,
    draw_decay,
    draw_hours_to_onset,
    draw_life_hours,
    visible,
)
from mmindustry.simulate.seeds import generator


def test_the_classes_are_the_nine_of_the_design() -> None:
    assert CLASSES == (
        "healthy",
        "bearing_outer",
        "bearing_inner",
        "imbalance",
        "looseness",
        "cavitation",
        "seal_leak",
        "belt_slip",
        "motor_overheating",
    )


@pytest.mark.parametrize("fault", sorted(CATALOGUE))
def test_a_decay_reaches_one_exactly_at_failure_and_not_before(fault: str) -> None:
    for number in range(50):
        decay = draw_decay(CATALOGUE[fault], generator(number, fault))

        assert decay.severity_at(1.0) == 1.0
        assert all(0.0 <= severity < 1.0 for severity in decay.severities[:-1])
        assert decay.severity_at(0.0) < 0.05


@pytest.mark.parametrize("fault", sorted(CATALOGUE))
def test_gamma_decays_never_heal(fault: str) -> None:
    decay = draw_decay(CATALOGUE[fault], generator(1, fault))

    steps = np.diff(decay.severities)

    assert CATALOGUE[fault].decay == "wiener" or steps.min() >= 0


def test_a_share_of_life_is_the_inverse_of_severity() -> None:
    decay = Decay(tuple(np.linspace(0, 1, 101)))

    assert decay.share_at(0.3) == pytest.approx(0.3, abs=0.011)
    assert decay.severity_at(decay.share_at(0.77)) == pytest.approx(0.77, abs=0.011)


def test_each_sense_notices_at_its_own_onset() -> None:
    assert visible("bearing_outer", Modality.AUDIO, 0.31) > 0
    assert visible("bearing_outer", Modality.TEXT, 0.45) == 0
    assert visible("bearing_outer", Modality.IMAGE, 0.65) == 0
    assert visible("seal_leak", Modality.IMAGE, 0.3) > 0
    assert visible("seal_leak", Modality.AUDIO, 0.7) == 0
    assert visible("healthy", Modality.AUDIO, 1.0) == 0
    assert visible("imbalance", Modality.AUDIO, 1.0) == 1.0


def test_lives_scatter_about_their_median() -> None:
    mode = CATALOGUE["belt_slip"]

    lives = [draw_life_hours(mode, generator(n, "life")) for n in range(400)]

    assert np.median(lives) == pytest.approx(mode.median_hours, rel=0.15)
    assert np.percentile(lives, 90) > 1.8 * mode.median_hours


def test_some_repairs_are_bad_and_fail_early() -> None:
    waits = np.array([draw_hours_to_onset(400, generator(n, "wait")) for n in range(600)])

    assert 0.08 < np.mean(waits < 60) < 0.25
    assert 250 < waits.mean() < 480


def test_a_stream_of_randomness_belongs_to_its_name() -> None:
    first = generator(7, "a").random(4)

    assert np.array_equal(first, generator(7, "a").random(4))
    assert not np.array_equal(first, generator(7, "b").random(4))
    assert not np.array_equal(first, generator("7", "a").random(4))
