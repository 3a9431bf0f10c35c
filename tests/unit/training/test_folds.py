"""Folds part no group, keep their distance in time, and choose by windows that are not scored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmindustry.errors import InputError
from mmindustry.training.folds import Purge, Rows, grouped_folds, nested_folds, simplest


@given(
    sizes=st.lists(st.integers(1, 9), min_size=4, max_size=25),
    k=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_every_window_is_tested_once_and_no_group_is_parted(
    sizes: list[int], k: int, seed: int
) -> None:
    groups = np.repeat([f"g{at}" for at in range(len(sizes))], sizes)

    folds = grouped_folds(groups, k, seed)

    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(
        range(len(groups))
    )
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert len(fold.train) + len(fold.test) == len(groups)
    filled = [len(fold.test) for fold in folds]
    assert max(filled) - min(filled) <= max(sizes)


def test_the_same_seed_deals_the_same_folds() -> None:
    groups = np.array([f"g{at % 12}" for at in range(60)])

    first, again, other = (grouped_folds(groups, 4, seed) for seed in (3, 3, 4))

    assert all(np.array_equal(a.test, b.test) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.test, b.test) for a, b in zip(first, other, strict=True))


@given(seed=st.integers(0, 200), purge=st.floats(1.0, 40.0))
def test_nothing_is_trained_on_that_lies_close_to_a_tested_window_of_its_machine(
    seed: int, purge: float
) -> None:
    random = np.random.default_rng(seed)
    times = random.uniform(0, 2000, 80)
    assets = random.choice(["pump", "fan"], 80)
    groups = np.array([f"{a}-{int(t // 200)}" for a, t in zip(assets, times, strict=True)])

    folds = grouped_folds(groups, 3, seed, purge=Purge(times, assets, purge))

    for fold in folds:
        for asset in ("pump", "fan"):
            tested = times[fold.test[assets[fold.test] == asset]]
            trained = times[fold.train[assets[fold.train] == asset]]
            if len(tested) and len(trained):
                assert np.abs(tested[:, None] - trained).min() > purge
        dropped = set(range(80)) - set(fold.train.tolist()) - set(fold.test.tolist())
        for row in dropped:
            near = (assets[fold.test] == assets[row]) & (
                np.abs(times[fold.test] - times[row]) <= purge
            )
            assert near.any()


def test_folds_that_can_not_be_dealt_are_refused() -> None:
    with pytest.raises(InputError, match="2 groups can't be dealt to 3 folds"):
        grouped_folds(np.array(["a", "b"]), 3, 0)
    near = Purge(np.zeros(2), np.array(["pump", "pump"]), 5.0)
    with pytest.raises(InputError, match="shorter purge"):
        grouped_folds(np.array(["a", "b"]), 2, 0, purge=near)
    with pytest.raises(InputError, match="begin of every window"):
        Purge(np.array([np.nan]), np.array(["pump"]), 5.0)


def test_nested_folds_purge_on_the_inside_too() -> None:
    times = np.arange(48.0)
    assets = np.repeat(["pump", "fan"], 24)
    groups = np.array([f"{asset}-{int(t) // 4}" for asset, t in zip(assets, times, strict=True)])
    met: list[tuple[Rows, Rows]] = []

    def score(name: str, train: Rows, test: Rows) -> float:
        met.append((train, test))
        return float(len(name))

    nested_folds(["plain"], score, groups, k=2, seed=1, purge=Purge(times, assets, 1.5))

    assert len(met) == 6
    for train, test in met:
        same = assets[test][:, None] == assets[train]
        assert np.abs(times[test][:, None] - times[train])[same].min() > 1.5


def test_nested_folds_choose_without_seeing_what_they_are_scored_on() -> None:
    groups = np.array([f"g{at // 5}" for at in range(60)])
    asked: list[tuple[str, frozenset[int], frozenset[int]]] = []

    def score(name: str, train: Rows, test: Rows) -> float:
        asked.append((name, frozenset(train.tolist()), frozenset(test.tolist())))
        return {"plain": 0.5, "clever": 0.8}[name] + 0.01 * (len(test) % 3)

    found = nested_folds(["plain", "clever"], score, groups, k=3, seed=1)

    assert [one.chosen for one in found] == ["clever"] * 3
    assert all(one.score == one.scores["clever"] for one in found)
    assert all(len(one.inner["plain"]) == 3 for one in found)
    assert len(asked) == 3 * 2 * (3 + 1)
    outer_tests = [test for _, train, test in asked if len(train | test) == 60]
    for _, train, test in asked:
        assert not train & test
        assert len(train | test) == 60 or any(not (train | test) & outer for outer in outer_tests)


def test_the_simplest_within_one_standard_error_is_taken() -> None:
    late, best = (0.55, 0.61, 0.58), (0.60, 0.58, 0.59)

    assert simplest({"late": late, "gmu": best}) == "gmu"
    assert simplest({"late": (0.58, 0.59, 0.59), "gmu": best}) == "late"
    assert simplest({"late": (0.5,), "gmu": (0.6,)}) == "gmu"
