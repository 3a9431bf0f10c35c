"""Class sets, life intervals and `unknown`: they keep their word, and survive the bundle."""

from dataclasses import replace

import numpy as np
import pytest

from mmindustry.errors import BundleError
from mmindustry.fusion.calibration import Calibration
from mmindustry.fusion.conformal import (
    EVERY_KIND,
    LifeInterval,
    fit_class_sets,
    fit_life,
    limit_of,
    mass_above,
)
from mmindustry.fusion.typical import fit_typical

CLASSES = 4


def windows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities that mean what they say, and labels drawn from them."""
    random = np.random.default_rng(seed)
    likely = random.dirichlet(np.full(CLASSES, 0.6), count)
    labels = np.array([random.choice(CLASSES, p=row) for row in likely])
    return likely, labels


def test_mass_above_is_that_of_all_likelier_classes() -> None:
    random = np.random.default_rng(3)
    likely = random.dirichlet(np.ones(5), 20)

    found = mass_above(likely)

    slow = [[sum(p for p in row if p > own) for own in row] for row in likely]
    np.testing.assert_allclose(found, slow, atol=1e-12)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_hold_the_truth_of_every_class_as_often_as_they_say(level: float) -> None:
    likely, labels = windows(4000, 1)
    sets = fit_class_sets(likely, labels, np.full(4000, ""), level=level)

    fresh, truth = windows(4000, 2)
    inside = sets.members(fresh, [""] * 4000)

    held = inside[np.arange(4000), truth]
    assert abs(held.mean() - level) < 0.02
    for c in range(CLASSES):
        assert abs(held[truth == c].mean() - level) < 0.06


def test_sets_hold_under_another_prior_than_they_were_fitted_under() -> None:
    likely, labels = windows(6000, 4)
    sets = fit_class_sets(likely, labels, np.full(6000, ""), level=0.9)
    fresh, truth = windows(6000, 5)
    random = np.random.default_rng(6)
    mostly_first = (truth == 0) | (random.random(6000) < 0.1)

    inside = sets.members(fresh[mostly_first], [""] * int(mostly_first.sum()))

    assert inside[np.arange(len(inside)), truth[mostly_first]].mean() == pytest.approx(
        0.9, abs=0.03
    )


def test_an_asset_type_has_limits_of_its_own_where_it_has_windows_enough() -> None:
    likely, labels = windows(3000, 7)
    kinds = np.array(["pump"] * 1490 + ["fan"] * 10 + [""] * 1500)
    wrong = labels.copy()
    wrong[:1490] = np.argmin(likely[:1490], axis=1)  # the network fails on pumps

    sets = fit_class_sets(likely, wrong, kinds, level=0.9)

    assert sets.limits["fan"] == sets.limits[EVERY_KIND]
    assert min(sets.limits["pump"]) > 0.8
    one = np.array([[0.6, 0.25, 0.1, 0.05]])
    pump, stranger = (int(sets.members(one, [kind]).sum()) for kind in ("pump", "press"))
    assert pump >= stranger


def test_the_likeliest_class_is_always_in_and_nothing_is_drawn() -> None:
    likely, labels = windows(500, 8)
    sets = fit_class_sets(likely, labels, np.full(500, ""), level=0.8)

    first, again = (sets.members(likely, [""] * 500) for _ in range(2))

    assert first[np.arange(500), likely.argmax(axis=1)].all()
    assert (first == again).all()


def test_too_few_windows_rule_nothing_out() -> None:
    assert limit_of(np.array([0.1]), 0.9) == float("inf")
    sets = fit_class_sets(*windows(5, 9), np.full(5, ""), level=0.9)
    assert sets.members(np.array([[0.97, 0.01, 0.01, 0.01]]), [""]).all()


def lives(units: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return quantiles too narrow for what came, hours, units of very uneven size."""
    random = np.random.default_rng(seed)
    rows = []
    for unit in range(units):
        bias = random.normal(0, 0.7)
        for _ in range(int(random.integers(1, 60))):
            told = np.exp(random.normal(3, 1))
            hours = told * np.exp(bias + random.normal(0, 0.5))
            rows.append((told * 0.5, told, told * 2.0, hours, f"u{unit}"))
    life = np.array([row[:3] for row in rows])
    return life, np.array([row[3] for row in rows]), np.array([row[4] for row in rows])


def test_life_intervals_hold_as_many_failures_of_units_never_seen() -> None:
    interval = fit_life(*lives(150, 1), level=0.9)
    assert interval is not None
    life, hours, units = lives(400, 2)

    told = interval.stretched(life, 1e9)

    inside = (hours >= told[:, 0]) & (hours <= told[:, 2])
    raw = (hours >= life[:, 0]) & (hours <= life[:, 2])
    by_unit = [inside[units == unit].mean() for unit in np.unique(units)]
    assert abs(np.mean(by_unit) - 0.9) < 0.03
    assert raw.mean() < 0.75


def test_a_unit_weighs_the_same_however_many_windows_it_has() -> None:
    life, hours, units = lives(40, 3)
    interval = fit_life(life, hours, units, level=0.8)
    loud = units == "u0"
    many = np.concatenate([np.arange(len(units)), np.repeat(np.flatnonzero(loud), 50)])

    again = fit_life(life[many], hours[many], units[many], level=0.8)

    assert again == interval


def test_few_units_promise_no_life_and_an_open_end_stays_open() -> None:
    assert fit_life(*lives(3, 4), level=0.9) is None
    told = LifeInterval(0.9, 1.0).stretched(np.array([[1.0, 5.0, 100.0], [1.0, 2.0, 3.0]]), 100.0)
    assert told[0, 2] == 100.0
    assert told[1].tolist() == pytest.approx([np.exp(-1), 2.0, 3 * np.e])
    narrowed = LifeInterval(0.9, -2.0).stretched(np.array([[1.0, 2.0, 3.0]]), 100.0)
    assert narrowed[0].tolist() == [2.0, 2.0, 2.0]


def known(seed: int, machines: int = 12, each: int = 60) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, machines * each)
    centres = np.random.default_rng(99).normal(0, 2, (3, 3, 8))
    points = centres[:, labels].transpose(1, 0, 2) + random.normal(0, 1, (len(labels), 3, 8))
    units = np.repeat([f"m{k}" for k in range(machines)], each)
    return points.astype(np.float32), np.ones((len(labels), 3), np.bool_), labels, units


def test_few_known_windows_are_called_unknown_and_most_foreign_ones_are() -> None:
    typical = fit_typical(*known(1), classes=3)
    points, present, _, _ = known(2)

    assert typical.strange(points, present).mean() <= 0.02
    foreign = points.copy()
    foreign[:, 1] = -3.0 * foreign[:, 1] + 4.0  # one modality shows what was never seen
    assert typical.strange(foreign, present).mean() > 0.9
    present[:, 1] = False
    assert typical.strange(foreign, present).mean() <= 0.02


def test_the_promises_travel_in_the_bundle_and_an_old_bundle_has_none() -> None:
    likely, labels = windows(300, 10)
    whole = replace(
        Calibration.neutral(),
        sets=fit_class_sets(likely, labels, np.full(300, ""), level=0.9),
        life=LifeInterval(0.9, 0.25),
        typical=fit_typical(*known(3), classes=3),
    )

    back = Calibration.from_json(whole.to_json())

    assert (back.sets, back.life) == (whole.sets, whole.life)
    assert back.typical is not None
    points, present, _, _ = known(4)
    assert whole.typical is not None
    np.testing.assert_allclose(
        back.typical.surprise(points, present), whole.typical.surprise(points, present), atol=0.01
    )
    old = Calibration.from_json({"temperatures": dict(whole.temperatures)})
    assert (old.sets, old.life, old.typical) == (None, None, None)


@pytest.mark.parametrize(
    "broken",
    [
        {"sets": {"level": 0.9, "limits": {"pump": [0.5]}}},
        {"sets": {"level": 1.9, "limits": {"": [0.5]}}},
        {"sets": {"level": 0.9, "limits": {"": [0.5], "fan": [0.5, 0.5]}}},
        {"sets": {"limits": {}}},
        {"life": {"level": 0.9}},
        {"life": {"level": 0.9, "stretch": float("nan")}},
        {"typical": {"centres": [[1.0]], "whitening": [[1.0]], "scores": []}},
        {"typical": {}},
    ],
)
def test_a_broken_promise_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="calibration"):
        Calibration.from_json(Calibration.neutral().to_json() | broken)
