"""Hazard, calibration, explanation, novelty: the numbers against independent sums."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from mmindustry.errors import BundleError
from mmindustry.fusion import hazard
from mmindustry.fusion.bank import novelty
from mmindustry.fusion.calibration import (
    PATTERNS,
    Calibration,
    calibration_error,
    fit_calibration,
    fit_temperature,
    log_loss,
    pattern_of,
    posterior,
)
from mmindustry.fusion.explain import coalitions, shapley, shapley_through
from mmindustry.fusion.heads import hazard_loss
from mmindustry.fusion.novelty import densities, novelty_scores, p_values
from tests.noise import noise_spec

EDGES = hazard.edges_hours(noise_spec())


def test_survival_is_the_product_of_what_each_bin_leaves() -> None:
    logits = np.array([[0.0, -1.0, 2.0]], np.float32)

    curve = hazard.survival(logits)

    left = [1 - 1 / (1 + math.exp(-x)) for x in (0.0, -1.0, 2.0)]
    assert curve[0] == pytest.approx([1.0, *itertools.accumulate(left, lambda a, b: a * b)])


def test_a_certain_failure_in_one_bin_is_told_by_risk_and_life_alike() -> None:
    logits = np.full((1, 24), -30.0, np.float32)
    at = int(hazard.bin_of(np.array([12.0]), EDGES)[0])
    logits[0, at] = 30.0

    curve = hazard.survival(logits)
    risks = hazard.risk(curve, EDGES)
    life = hazard.remaining_life_hours(curve, EDGES)[0]

    assert risks["8h"][0] < 1e-6
    assert risks["24h"][0] > 1 - 1e-6
    assert EDGES[at] <= life[0] <= life[2] <= EDGES[at + 1]


@given(st.integers(0, 2**31), st.floats(0.3, 2000.0))
def test_the_median_of_life_is_where_half_survive(seed: int, hours: float) -> None:
    logits = np.random.default_rng(seed).normal(-2.0, 1.5, (1, 24)).astype(np.float32)
    curve = hazard.survival(logits)

    median = hazard.remaining_life_hours(curve, EDGES)[0, 1]

    if curve[0, -1] < 0.5:
        assert hazard.survival_at(curve, EDGES, float(median))[0] == pytest.approx(0.5, abs=1e-6)
    assert 0 <= hazard.survival_at(curve, EDGES, hours)[0] <= 1


def test_life_beyond_the_last_edge_is_told_as_that_edge() -> None:
    curve = hazard.survival(np.full((2, 24), -30.0, np.float32))

    assert (hazard.remaining_life_hours(curve, EDGES) == EDGES[-1]).all()


def test_hazard_loss_equals_the_likelihood_written_out() -> None:
    logits = torch.tensor([[0.3, -0.7, 1.1], [0.2, 0.4, -2.0], [9.0, 9.0, 9.0]])
    bins, failed = torch.tensor([1, 2, 0]), torch.tensor([1.0, 0.0, 1.0])

    loss = hazard_loss(logits, bins, failed, torch.tensor([1.0, 1.0, 0.0]))

    s = torch.sigmoid(logits)
    seen = -(torch.log(1 - s[0, 0]) + torch.log(s[0, 1]))
    censored = -(torch.log(1 - s[1, 0]) + torch.log(1 - s[1, 1]))
    assert loss.item() == pytest.approx(((seen + censored) / 2).item(), abs=1e-6)


def test_hazard_trained_on_censored_exponentials_finds_their_rate() -> None:
    rng = np.random.default_rng(3)
    life, watch = rng.exponential(50.0, 4000), rng.uniform(0.0, 100.0, 4000)
    bins = torch.from_numpy(hazard.bin_of(np.minimum(life, watch), EDGES))
    failed = torch.from_numpy((life <= watch).astype(np.float32))
    logits = torch.full((1, 24), -3.0, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)

    for _ in range(300):
        optimizer.zero_grad()
        hazard_loss(logits.expand(4000, 24), bins, failed, torch.ones(4000)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    risks = hazard.risk(hazard.survival(logits.detach().numpy()), EDGES)
    assert risks["24h"][0] == pytest.approx(1 - math.exp(-24 / 50), abs=0.04)


def test_temperature_finds_the_scale_it_was_hidden_by() -> None:
    rng = np.random.default_rng(0)
    prior = np.array([0.5, 0.3, 0.2])
    honest = rng.normal(0, 2, (6000, 3))
    likely = posterior(honest, prior)
    labels = np.array([rng.choice(3, p=row) for row in likely])

    temperature = fit_temperature(honest * 2.5, labels, prior)

    assert temperature == pytest.approx(2.5, rel=0.12)
    calibrated = posterior(honest * 2.5, prior, temperature)
    assert calibration_error(calibrated, labels) < 0.03
    assert calibration_error(posterior(honest * 2.5, prior), labels) > 0.05
    assert log_loss(calibrated, labels) < log_loss(posterior(honest * 2.5, prior), labels)


def test_a_pattern_with_few_windows_leans_on_the_global_temperature() -> None:
    rng = np.random.default_rng(1)
    prior = np.array([0.5, 0.5])
    evidence = {p: rng.normal(0, 2, (800, 2)) for p in PATTERNS}
    evidence["text"] = evidence["text"][:3]
    labels = {
        p: np.array([rng.choice(2, p=row) for row in posterior(e, prior, 2.0)])
        for p, e in evidence.items()
    }

    calibration = fit_calibration(evidence, labels, prior=prior)

    assert calibration.temperatures["text"] == pytest.approx(2.0, rel=0.2)
    assert Calibration.from_json(calibration.to_json()) == calibration


def test_seven_patterns_and_nothing_is_the_eighth() -> None:
    assert len(PATTERNS) == 7
    assert pattern_of((False, False, False)) == "none"
    assert Calibration.neutral().temperature((False, False, False)) == 1.0
    with pytest.raises(BundleError, match="positive"):
        Calibration.from_json({"temperatures": dict.fromkeys(PATTERNS, 0)})
    with pytest.raises(BundleError, match="needed"):
        Calibration.from_json({"temperatures": {"image": 1.0}})


def test_shapley_shares_equal_the_mean_over_all_orders() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=8)
    index = {tuple(row.tolist()): at for at, row in enumerate(coalitions(3))}

    shares = shapley(values, 3)

    expected = np.zeros(3)
    for order in itertools.permutations(range(3)):
        held = [False] * 3
        for player in order:
            before = values[index[tuple(held)]]
            held[player] = True
            expected[player] += (values[index[tuple(held)]] - before) / 6
    assert shares == pytest.approx(expected)
    assert shares.sum() == pytest.approx(values[-1] - values[0])


def test_an_absent_modality_has_no_shapley_share() -> None:
    weights = np.array([1.0, 2.0, 4.0])

    shares = shapley_through(lambda masks: masks @ weights, np.array([True, False, True]))

    assert shares == pytest.approx([1.0, 0.0, 4.0])


def test_p_values_of_normals_are_uniform_and_of_strangers_small() -> None:
    rng = np.random.default_rng(4)
    bank = rng.normal(size=(400, 8)).astype(np.float32)
    held, fresh = (rng.normal(size=(500, 8)).astype(np.float32) for _ in range(2))
    density = densities(bank)

    calibration = novelty_scores(held, bank, density).astype(np.float32)
    normal = p_values(novelty_scores(fresh, bank, density), calibration)
    strange = p_values(novelty_scores(fresh + 6.0, bank, density), calibration)

    assert kstest(normal, "uniform").pvalue > 1e-3
    assert strange.max() == pytest.approx(1 / 501)


def test_a_profile_without_a_bank_says_nothing_of_novelty() -> None:
    assert novelty(np.zeros(8, np.float32), {}, "audio") is None
    with pytest.raises(ValueError, match="at least 2"):
        densities(np.zeros((1, 8), np.float32))
