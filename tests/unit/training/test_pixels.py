"""Pixel figures agree with what can be worked out by hand or by another library."""

import numpy as np
import pytest

from mmindustry.training.pixels import (
    aupimo,
    average_precision_of,
    pixel_counts,
)
from mmindustry.training.scores import auroc, average_precision


def test_average_precision_and_auroc_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(3)
    truth = random.random(4_000) < 0.05
    scores = np.round(random.normal(size=4_000) + truth, 1)  # many ties

    assert average_precision(scores, truth) == pytest.approx(
        metrics.average_precision_score(truth, scores)
    )
    assert auroc(scores, truth) == pytest.approx(metrics.roc_auc_score(truth, scores))


def test_binned_precision_is_that_of_all_pixels() -> None:
    random = np.random.default_rng(4)
    truth = random.random((50, 400)) < 0.02
    scores = random.normal(size=truth.shape) + 2 * truth

    counts = sum(pixel_counts(s, t, -8.0, 8.0) for s, t in zip(scores, truth, strict=True))

    assert average_precision_of(np.asarray(counts)) == pytest.approx(
        average_precision(scores, truth), abs=1e-3
    )


def test_aupimo_of_uniform_scores_is_its_closed_form() -> None:
    size, reach = 400_000, 1e-3
    normal = [(np.arange(size) + 0.5) / size, (np.arange(size) + 0.25) / size]
    inside = 1 - reach * (np.arange(50_000) + 0.5) / 50_000
    heat = np.concatenate([np.zeros(1_000), inside])

    found = aupimo(normal, [heat], [heat > 0])

    assert found[0] == pytest.approx((1e-4 - 1e-5) / reach / np.log(10), rel=0.03)


def test_aupimo_knows_all_nothing_and_an_empty_mask() -> None:
    normal = [np.linspace(0, 1, 200_000)]
    heat = np.r_[np.zeros(10), np.full(10, 2.0)]

    found = aupimo(normal, [heat, heat, heat], [heat > 1, heat < 1, heat > 9])

    assert found[0] == pytest.approx(1.0)
    assert found[1] == pytest.approx(0.0)
    assert np.isnan(found[2])


def test_without_a_defect_there_is_no_figure() -> None:
    scores, truth = np.array([0.1, 0.2]), np.array([False, False])

    assert np.isnan(average_precision(scores, truth))
    assert np.isnan(auroc(scores, truth))
