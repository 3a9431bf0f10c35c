"""The bundle that ships: small, whole, honest about itself, and right on machines it never met."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from string import ascii_lowercase

import numpy as np

from mmindustry.domain import Features, LogEntry, Prediction
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import MEL_BASIS, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import Bundle, builtin_bundle, read_bundle
from mmindustry.fusion.calibration import PATTERNS
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.predictor import open_predictor
from mmindustry.simulate.faults import CLASSES
from mmindustry.simulate.product import EMPTY, GOOD, PRODUCT_CLASSES
from mmindustry.simulate.truth import Truth
from mmindustry.simulate.windows import LabelledWindow, labelled_windows
from mmindustry.training.scores import macro_f1

_SEEDS = range(900_001, 900_009)  # of machines that no training run has drawn


@cache
def shipped() -> Bundle:
    return read_bundle(builtin_bundle())


@cache
def rendered() -> list[LabelledWindow]:
    """Return 160 windows of eight unseen machines."""
    lengths = shipped().manifest.spec.recipe.window_lengths
    return [
        one
        for at, seed in enumerate(_SEEDS)
        for one in labelled_windows(20, seed, assets=1, length_seconds=lengths[at % 2])
    ]


def answers(windows: Sequence[LabelledWindow]) -> list[tuple[Truth, Prediction]]:
    """Return the windows that could be built, with what the bundle says of them."""
    recipe = shipped().manifest.spec.recipe
    basis, guard = Basis.of(recipe, shipped().arrays[MEL_BASIS]), Guard()
    found: list[tuple[Truth, Features]] = []
    for one in windows:
        built, _ = build_features(one.window, one.context, recipe, basis=basis, guard=guard)
        if isinstance(built, Features):
            found.append((one.truth, built))
    predictor = open_predictor(builtin_bundle(), FusionPolicy(device="cpu"))
    said = predictor.predict([features for _, features in found])
    assert all(isinstance(answer, Prediction) for answer in said)
    return [
        (truth, answer)
        for (truth, _), answer in zip(found, said, strict=True)
        if isinstance(answer, Prediction)
    ]


@cache
def judged() -> list[tuple[Truth, Prediction]]:
    return answers(rendered())


def over(prediction: Prediction) -> list[str]:
    """Return the faults at or over their threshold."""
    thresholds = shipped().manifest.thresholds
    return [f for f, pair in thresholds.items() if prediction.faults[f] >= pair["on"]]


def test_it_is_small_and_fits_the_code_that_ships_with_it() -> None:
    spec = shipped().manifest.spec

    assert sum(path.stat().st_size for path in builtin_bundle().iterdir()) <= 8 * 2**20
    assert spec.recipe == Recipe()
    assert spec.faults == CLASSES
    assert spec.products == PRODUCT_CLASSES
    assert spec.recipe.window_lengths == (4.0, 10.0)


def test_its_card_holds_its_figures_and_the_command_that_made_it() -> None:
    metrics = shipped().manifest.metrics
    scores = metrics["macro_f1"]
    single = max(scores[name] for name in ("image", "audio", "text"))

    assert scores["fused"] > single > scores["chance"]
    assert min(scores[name] for name in ("image", "audio", "text")) > scores["chance"]
    assert scores["shuffled_pairing"] < single
    assert scores["permuted_labels"] <= scores["chance"] + 0.05
    assert scores["permuted_labels_by_heart"] > scores["chance"] + 0.2
    assert set(metrics["ece"]) == set(PATTERNS)
    assert max(metrics["ece"].values()) < 0.1
    assert "mmindustry train --simulated" in shipped().card
    assert f"| fused | {scores['fused']:.3f} |" in shipped().card


def test_it_finds_faults_on_machines_it_never_met() -> None:
    truth = np.array([CLASSES.index(t.fault) for t, _ in judged()])
    chosen = np.array(
        [CLASSES.index(max(p.faults, key=lambda f: p.faults[f])) for _, p in judged()]
    )

    assert macro_f1(chosen, truth, len(CLASSES)) > 0.6


def test_healthy_machines_seldom_come_near_an_alarm_and_severe_ones_mostly_do() -> None:
    healthy = [bool(over(p)) for t, p in judged() if t.is_healthy]
    severe = [t.fault in over(p) for t, p in judged() if t.severity >= 0.75]

    assert len(healthy) >= 20
    assert len(severe) >= 20
    assert np.mean(healthy) <= 0.1
    assert np.mean(severe) >= 0.7


def test_words_that_nobody_has_learned_are_no_evidence_of_a_fault() -> None:
    random = np.random.default_rng(4)

    def made_up() -> str:
        words = [
            "".join(random.choice([*ascii_lowercase], random.integers(3, 10))) for _ in "....."
        ]
        return " ".join(words)

    def with_strange_entries(one: LabelledWindow, *, silent: bool) -> LabelledWindow:
        entry = next(e for w in rendered() for e in w.context.entries if w.truth.is_healthy)
        told = replace(
            entry, content=LogEntry(text=made_up()), time=one.window.end, end=one.window.end
        )
        window = replace(one.window, items=()) if silent else one.window
        return replace(one, window=window, context=replace(one.context, entries=(told,)))

    healthy = [one for one in rendered() if one.truth.is_healthy]
    beside, alone = (
        answers([with_strange_entries(one, silent=silent) for one in healthy])
        for silent in (False, True)
    )

    assert len(beside) >= 20
    assert {p.present["text"] for _, p in (*beside, *alone)} == {True}
    assert not any(p.present["audio"] for _, p in alone)
    assert np.mean([bool(over(p)) for _, p in beside]) <= 0.1
    assert np.mean([bool(over(p)) for _, p in alone]) <= 0.05


def test_an_empty_lane_is_no_product_and_good_parts_are_not_called_bad() -> None:
    empty = [p.product == {} for t, p in judged() if t.product == EMPTY and p.present["image"]]
    good = [p.product.get(GOOD, 0.0) > 0.5 for t, p in judged() if t.product == GOOD and p.product]

    assert len(empty) >= 10
    assert len(good) >= 40
    assert np.mean(empty) >= 0.95
    assert np.mean(good) >= 0.98


def test_failures_that_are_near_are_told_as_nearer() -> None:
    near = [p.risk["24h"] for t, p in judged() if t.time_to_failure_seconds < 8 * 3600]
    far = [p.risk["24h"] for t, p in judged() if t.time_to_failure_seconds > 96 * 3600]

    assert np.mean(near) > np.mean(far) + 0.3
