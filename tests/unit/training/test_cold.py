"""Cold start: banks, limits from a budget, and a whole small fleet."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from mmindustry.alerting.watch import levels_of
from mmindustry.cli.main import new_app
from mmindustry.fusion.bank import Bank, novelty
from mmindustry.fusion.novelty import p_values
from mmindustry.training.bank import learn_bank, mixed
from mmindustry.training.cold.life import FAULTY, HEALTHY, LEARNING, FleetPlan, live
from mmindustry.training.limits import block_hours, cusum_limit
from mmindustry.training.watching import Told, limits_of, reliability

STEP = 1200.0
WEEK = 504  # steps of twenty minutes


def clock(count: int) -> NDArray[np.float64]:
    return np.arange(count, dtype=np.float64) * STEP


def false_rate(scores: NDArray[np.float64], level: float, drift: float = 1.5) -> float:
    """Return alarms a week of fresh normal scores that are told by `scores`."""
    weeks = 40
    fresh = np.random.default_rng(99).normal(size=weeks * WEEK)
    at, standing, count = 0.0, False, 0
    for told in -np.log(p_values(fresh, scores.astype(np.float32))):
        at = min(max(0.0, at + told - drift), 2 * level)
        count += not standing and at >= level
        standing = at >= level or (standing and at >= level / 2)
    return count / weeks


def test_limits_keep_their_budget_on_fresh_normal_and_most_machines_each_keep_it() -> None:
    rates = []
    for seed in range(1, 9):
        scores = np.random.default_rng(seed).normal(size=300)
        limit = cusum_limit(scores, clock(300), budget=0.7, step_seconds=STEP)
        assert limit.level is not None
        rates.append(false_rate(scores, limit.level))

    assert np.mean(rates) <= 0.7
    assert np.mean([rate <= 1.5 * 0.7 for rate in rates]) >= 0.75


def test_a_larger_budget_allows_a_lower_limit() -> None:
    scores = np.random.default_rng(4).normal(size=300)

    tight, wide = (
        cusum_limit(scores, clock(300), budget=budget, step_seconds=STEP).level
        for budget in (0.1, 7.0)
    )

    assert tight is not None
    assert wide is not None
    assert wide < tight


def test_too_few_hours_give_no_limit_and_say_so() -> None:
    scores = np.random.default_rng(5).normal(size=30)

    limit = cusum_limit(scores, clock(30), budget=0.7, step_seconds=STEP)

    assert (limit.level, limit.why, limit.blocks) == (None, "hours", 10)


def test_evidence_that_hangs_together_is_drawn_in_longer_blocks() -> None:
    rng = np.random.default_rng(6)
    slow = np.repeat(rng.exponential(size=60), 12)

    assert block_hours(rng.exponential(size=720), STEP) == 1
    assert block_hours(slow, STEP) >= 4


def test_a_budget_is_dealt_by_reliability_and_the_unkept_one_names_the_hours() -> None:
    rng = np.random.default_rng(7)

    def told(count: int, present: float = 1.0) -> Told:
        scores = rng.normal(size=count)
        return Told(scores=scores, seconds=clock(count), present=present, step_seconds=STEP)

    steady = told(300)
    drifting = Told(
        scores=np.sort(rng.normal(size=300)), seconds=clock(300), present=1.0, step_seconds=STEP
    )
    limits = limits_of({"audio": steady}, budget=0.7, step_seconds=STEP, hours=100.0)
    poor = limits_of({"audio": told(30)}, budget=0.7, step_seconds=STEP, hours=25.0)

    assert reliability(drifting) < reliability(steady)
    assert reliability(told(300, present=0.2)) < reliability(steady)
    assert {"budget", "drift", "step_seconds", "cusum_audio"} == set(limits)
    assert "cusum_audio" not in poor
    assert poor["hours_needed"] == 45


def test_a_few_days_of_log_entries_promise_nothing_and_their_budget_goes_to_the_others() -> None:
    rng = np.random.default_rng(12)

    def hourly(hours: int) -> Told:
        at = np.arange(hours, dtype=np.float64) * 3600.0
        return Told(scores=rng.normal(size=hours), seconds=at, present=1.0, step_seconds=3600.0)

    def limits(**told: Told) -> dict[str, float]:
        return limits_of(told, budget=0.7, step_seconds=STEP, hours=100.0)

    steady = Told(scores=rng.normal(size=300), seconds=clock(300), present=1.0, step_seconds=STEP)
    days, weeks = hourly(100), hourly(24 * 42)

    # as steady as can be by the hour; but an entry is read for days
    assert cusum_limit(days.scores, days.seconds, budget=0.7, step_seconds=3600.0).level is not None
    assert limits(audio=steady, text=days) == limits(audio=steady)
    assert limits(text=days)["hours_needed"] == 360
    both = limits(audio=steady, text=weeks)
    assert both["cusum_text"] > 0
    assert both["cusum_audio"] > limits(audio=steady)["cusum_audio"]


def test_what_only_the_whole_budget_affords_is_not_lost_to_who_can_not_keep_a_part() -> None:
    def slow(seed: int) -> Told:
        rng = np.random.default_rng(seed)
        share, scores = 0.5 + 0.45 * rng.random(), np.zeros(400)
        for at, new in enumerate(rng.normal(size=399)):
            scores[at + 1] = share * scores[at] + new
        return Told(scores=scores, seconds=clock(400) / 2, present=1.0, step_seconds=STEP / 2)

    def level(told: Told, budget: float) -> float | None:
        return cusum_limit(
            told.scores, told.seconds, budget=budget, step_seconds=told.step_seconds
        ).level

    told = next(
        one for one in map(slow, range(100)) if level(one, 0.7) and level(one, 0.35) is None
    )
    hours = np.arange(100, dtype=np.float64) * 3600.0
    words = Told(
        scores=np.random.default_rng(1).normal(size=100),
        seconds=hours,
        present=1.0,
        step_seconds=3600.0,
    )

    def limits(**heard: Told) -> dict[str, float]:
        return limits_of(heard, budget=0.7, step_seconds=STEP / 2, hours=100.0)

    assert limits(audio=told)["cusum_audio"] == level(told, 0.7)
    assert limits(audio=told, text=words) == limits(audio=told)
    both = levels_of(limits(audio=told, image=told))  # of two alike, one gets it all
    assert list(both.values()) == [level(told, 0.7)]


def test_a_bank_sees_what_lies_off_the_subspace_of_normal_and_what_lies_far_within() -> None:
    rng = np.random.default_rng(8)
    flat = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 12))
    points = (flat + rng.normal(scale=0.05, size=flat.shape)).astype(np.float32)
    bank = learn_bank(points, 100)
    off = points[:5] + rng.normal(scale=1.0, size=(5, 12)).astype(np.float32)
    far = points[:5] * 9

    assert bank.places.shape[1] < 12
    assert len(bank.bank) == 100
    assert float(bank.surprise(off).max()) < 0.02
    assert float(bank.surprise(far).max()) < 0.02
    arrays = bank.arrays("audio")
    again = Bank.of(arrays, "audio")
    assert again is not None
    np.testing.assert_array_equal(again.scores(points), bank.scores(points))
    assert novelty(off[0], arrays, "audio") == pytest.approx(float(bank.surprise(off[:1])[0]))


def test_a_profile_of_before_still_tells_by_its_references_alone() -> None:
    points = np.random.default_rng(9).normal(size=(50, 4)).astype(np.float32)
    old = {
        "bank_audio": points,
        "density_audio": np.ones(50, np.float32),
        "calibration_audio": np.linspace(0.1, 1.0, 99).astype(np.float32),
    }

    assert novelty(points[0] + 40, old, "audio") == pytest.approx(0.01)
    assert novelty(points[0], old, "audio") == pytest.approx(1.0)


def test_others_normals_widen_a_small_bank_and_never_a_large_one() -> None:
    rng = np.random.default_rng(10)
    few, many = (rng.normal(size=(n, 6)).astype(np.float32) for n in (60, 800))
    others = rng.normal(size=(100, 6)).astype(np.float32) + 1

    assert len(learn_bank(few, 500, others=others).bank) > len(learn_bank(few, 500).bank)
    assert len(learn_bank(many, 500, others=others).bank) == len(learn_bank(many, 500).bank)
    widened = mixed(few, others)
    gaps = np.linalg.norm(widened[60:] - few, axis=1)
    assert float(gaps.max()) < float(np.linalg.norm(few[:, None] - others[None], axis=2).max()) / 9


def test_a_strange_window_among_the_normal_does_not_join_the_bank() -> None:
    points = np.random.default_rng(11).normal(size=(200, 4)).astype(np.float32)
    points[50] = 40.0

    assert not (learn_bank(points, 500).bank == 40.0).any()


def test_a_life_has_no_fault_in_its_learning_days_and_renders_what_shows() -> None:
    plan = FleetPlan(seed=3, assets=1, days=30, normal_days=3, step_seconds=7200.0, pool=20)
    life = live(plan, 0)

    assert life.events
    assert min(event.onset for event in life.events) >= 0
    assert set(life.what[life.at < 0]) <= {LEARNING, 3, 4}
    for kind in (LEARNING, HEALTHY, FAULTY):
        assert (life.look[life.what == kind] >= 0).all()
    assert all(life.look[life.what > FAULTY] == -1)
    assert all(line.written >= line.noticed for line in life.lines)
    again = live(plan, 0)
    assert again.rendered == life.rendered
    np.testing.assert_array_equal(again.look, life.look)


def test_the_fleet_command_prints_its_figures_and_goes_on_from_its_work_folder(
    tmp_path: Path,
) -> None:
    words = ["evaluate", "fleet", "--quick", "--assets", "1", "--days", "24", "--seed", "5"]
    place = ["--work", str(tmp_path / "work"), "--json", str(tmp_path / "out.json")]

    first = CliRunner().invoke(new_app(), [*words, *place])
    second = CliRunner().invoke(new_app(), [*words, *place])

    assert first.exit_code == 0, first.output
    assert "event_recall: " in first.stdout
    assert first.stdout == second.stdout
    figures = json.loads((tmp_path / "out.json").read_text())["figures"]
    assert set(figures["ways"]) >= {"all", "audio_alone", "random", "always_on", "periodic"}
    assert figures["ways"]["always_on"]["event_recall"] == 1.0
