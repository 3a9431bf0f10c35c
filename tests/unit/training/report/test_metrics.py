"""Figures against numbers worked out by hand, and against scikit-learn's."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference  # type: ignore[import-untyped]  # ships no types

from mmindustry.fusion.calibration import calibration_error
from mmindustry.training.report.intervals import (
    episodes_of,
    interval,
    pivotal_interval,
    resamples,
)
from mmindustry.training.report.metrics import (
    calibration_error_floor,
    class_calibration_error,
    confusion,
    debiased_calibration_error,
    one_vs_rest,
    precision,
    recall,
    reliability,
)
from mmindustry.training.scores import auroc, average_precision


def drawn(seed: int, *, windows: int = 300, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities with ties, and a truth drawn as they say."""
    rng = np.random.default_rng(seed)
    likely = rng.dirichlet(np.full(classes, 0.5), windows).round(1) + 0.02
    likely /= likely.sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(classes, p=row) for row in likely])
    return likely, truth


def test_confusion_precision_and_recall_are_those_worked_out_by_hand() -> None:
    predicted, truth = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])

    table = confusion(predicted, truth, 4)

    assert table.tolist() == [[1, 0, 1, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert precision(table)[:3] == pytest.approx([1 / 2, 1.0, 0.0])
    assert recall(table)[:3] == pytest.approx([1 / 2, 2 / 3, 0.0])
    assert np.isnan(precision(table)[3])
    assert np.isnan(recall(table)[3])


def test_ranking_figures_are_those_worked_out_by_hand() -> None:
    scores, positive = np.array([0.9, 0.7, 0.7, 0.2]), np.array([True, False, True, False])

    # pairs: 0.9 wins twice; the 0.7 ties once and wins once
    assert auroc(scores, positive) == pytest.approx(3.5 / 4)
    # recall 1/2 at precision 1, then 1 at precision 2/3 (both 0.7 at once)
    assert average_precision(scores, positive) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert np.isnan(auroc(scores, np.ones(4, bool)))
    assert np.isnan(average_precision(scores, np.zeros(4, bool)))


@given(st.integers(0, 10_000))
def test_figures_agree_with_scikit_learn(seed: int) -> None:
    likely, truth = drawn(seed, windows=60)
    truth[:8] = [0, 1, 2, 3, 0, 1, 2, 3]
    chosen = likely.argmax(axis=1)
    onehot = np.eye(4)[truth]

    table = confusion(chosen, truth, 4)
    ranked, found = one_vs_rest(likely, truth)

    expected = reference.precision_recall_fscore_support(
        truth, chosen, labels=range(4), zero_division=0
    )
    np.testing.assert_array_equal(table, reference.confusion_matrix(truth, chosen))
    np.testing.assert_allclose(precision(table), expected[0])
    np.testing.assert_allclose(recall(table), expected[1])
    np.testing.assert_allclose(ranked, reference.roc_auc_score(onehot, likely, average=None))
    np.testing.assert_allclose(
        found, reference.average_precision_score(onehot, likely, average=None)
    )


def test_bins_hold_equal_mass_and_their_gaps_make_the_ece() -> None:
    likely = np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.9, 0.1]])
    truth = np.array([0, 1, 0, 0])

    rows = reliability(likely, truth, bins=2)

    np.testing.assert_allclose(rows, [[0.65, 0.5, 2], [0.85, 1.0, 2]])
    assert calibration_error(likely, truth, 2) == pytest.approx(0.5 * 0.15 + 0.5 * 0.15)
    # both columns are mirror images, so their errors are the same
    assert class_calibration_error(likely, truth, bins=2) == pytest.approx(0.15)


def test_what_chance_adds_to_the_calibration_error_is_taken_off() -> None:
    likely = np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.9, 0.1]])
    truth = np.array([0, 1, 0, 0])

    # bin 1: 0.15^2 - 0.5 * 0.5 / 1 = -0.2275, bin 2: 0.15^2 - 0 = 0.0225: below 0 in all
    assert debiased_calibration_error(likely, truth, bins=2) == 0.0
    # right throughout: sqrt((0.35^2 + 0.15^2) / 2)
    assert debiased_calibration_error(likely, truth * 0, bins=2) == pytest.approx(0.0725**0.5)


def test_true_probabilities_show_their_floor_and_no_debiased_error() -> None:
    likely, truth = drawn(1, windows=6000)

    floor = calibration_error_floor(likely)

    assert 0.005 < floor < 0.03
    assert calibration_error(likely, truth) == pytest.approx(floor, abs=0.012)
    assert debiased_calibration_error(likely, truth) < 0.012
    assert calibration_error_floor(likely[:200]) > 2 * floor


def test_probabilities_that_are_too_sure_are_found_out() -> None:
    likely, truth = drawn(2, windows=4000)
    sharp = likely**3 / (likely**3).sum(axis=1, keepdims=True)

    assert calibration_error(sharp, truth) > calibration_error_floor(sharp) + 0.1
    assert debiased_calibration_error(sharp, truth) > 0.1


def test_a_resample_takes_episodes_whole() -> None:
    group = np.array(["a", "a", "a", "b", "b", "a"])
    blocks = episodes_of(group, np.array([0, 0, 1, 1, 1, 1]))

    assert blocks.tolist() == [0, 0, 1, 2, 2, 3]
    for rows in resamples(blocks, draws=20, seed=1):
        counts = np.bincount(rows, minlength=6)
        assert counts[0] == counts[1]
        assert counts[3] == counts[4]


def mean_of(values: np.ndarray) -> Callable[[np.ndarray], float]:
    return lambda rows: float(values[rows].mean())


def test_an_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(60):
        level = np.repeat(rng.normal(size=30), 5)  # five windows of an episode say the same
        blocks = np.repeat(np.arange(30), 5)
        low, high = interval(mean_of(level), blocks, draws=200)
        held += low <= 0 <= high

    assert held >= 50


def test_an_error_that_leans_upwards_is_mirrored_and_never_below_zero() -> None:
    likely, truth = drawn(3, windows=400)
    blocks = np.arange(400)

    def error(rows: np.ndarray) -> float:
        return calibration_error(likely[rows], truth[rows])

    low, high = pivotal_interval(error, blocks, draws=100)
    first, last = interval(error, blocks, draws=100)

    assert 0 <= low < high
    assert (low, high) < (first, last)
