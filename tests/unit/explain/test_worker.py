"""What the worker tells of flagged windows: complete, faithful, bounded, and only of them."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from mmindustry.domain import LogEntry, Prediction
from mmindustry.fusion import occlusion
from mmindustry.fusion.allowance import Allowance
from mmindustry.fusion.bundle import builtin_bundle, read_bundle
from mmindustry.fusion.engine import Engine
from mmindustry.fusion.explainer import Explanation, Target, log_odds, target_of
from mmindustry.fusion.network import Network
from mmindustry.fusion.occlusion import Variant
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.predictor import open_predictor
from mmindustry.fusion.runtime import Arrays, Raw
from mmindustry.fusion.torch_runtime import TorchRuntime
from mmindustry.fusion.weights import fill, unpack
from tests.unit.explain.material import Case, cases, engine, faulty


def explanation(case: Case) -> Explanation:
    assert case.target is not None
    return Explanation(engine().judge, engine().runtime.run, case.item, case.target)


def test_only_a_fault_above_its_off_threshold_or_a_bad_product_is_flagged() -> None:
    case, judge = faulty()[0], engine().judge
    fault = case.prediction.leading
    off = judge.manifest.thresholds[fault]["off"]
    calm = replace(case.prediction, product={})

    below = {**dict.fromkeys(calm.faults, 0.0), "healthy": 1.0 - off, fault: off - 0.01}
    assert target_of(replace(calm, faults=below), judge) is None
    assert target_of(replace(calm, faults=below | {fault: 0.99}), judge) is not None
    product = replace(calm, faults=below, product={"good": 0.2, "dent": 0.8})
    assert target_of(product, judge) == Target("product", "dent", 2)


def test_shapley_shares_add_up_to_what_all_adds_to_nothing() -> None:
    for case in faulty():
        told = explanation(case).document()
        shares = told["shapley"]
        assert isinstance(shares, dict)
        assert isinstance(told["log_odds"], float)
        assert sum(shares.values()) == pytest.approx(told["log_odds"], abs=0.01)
        assert all(not case.item.present[m] for m, s in shares.items() if s == 0.0 and m != "none")


def test_the_log_odds_explained_are_those_of_the_prediction() -> None:
    for case in faulty():
        told = explanation(case).document(brief=True)
        stated = np.array([case.prediction.faults[case.prediction.leading]])
        assert told["log_odds"] == pytest.approx(float(log_odds(stated)[0]), abs=0.01)


def parts(case: Case) -> list[Variant]:
    """Return everything that can be hidden alone: patches, regions, bands, orders, entries."""
    arrays = {name: case.item.arrays[name] for name in explanation(case).arrays}
    slots = np.flatnonzero(arrays["audio_mask"] > 0).tolist()
    return [
        *occlusion.hidden_patches(arrays),
        *occlusion.hidden_regions(arrays, engine().judge.manifest.spec.recipe).values(),
        *occlusion.hidden_bands(arrays, slots),
        *occlusion.hidden_orders(arrays).values(),
        *occlusion.hidden_entries(arrays).values(),
    ]


def mean_while(case: Case, order: np.ndarray, *, insert: bool = False) -> float:
    """Return the mean log odds while parts go one after the other, or come back."""
    variants = parts(case)
    ranked = [variants[at] for at in order]
    steps = [
        tuple(edit for variant in (ranked[k:] if insert else ranked[:k]) for edit in variant)
        for k in range(0, len(ranked) + 1, max(1, len(ranked) // 16))
    ]
    return float(explanation(case).values(steps).mean())


def test_hiding_what_is_told_to_matter_hurts_more_than_hiding_at_random() -> None:
    """Deletion and insertion (Petsiuk et al., RISE, BMVC 2018)."""
    random = np.random.default_rng(0)
    better = []
    for case in faulty()[:4]:
        values = explanation(case).values([(), *parts(case)])
        order = np.argsort(-(values[0] - values[1:]), kind="stable")
        draws = [random.permutation(len(order)) for _ in range(3)]
        gone = mean_while(case, order)
        back = mean_while(case, order, insert=True)
        better += [
            (np.mean([mean_while(case, d) for d in draws]) - gone) > 0,
            back > np.mean([mean_while(case, d, insert=True) for d in draws]),
        ]

    assert len(better) >= 4
    assert np.mean(better) >= 0.75


def test_other_weights_give_another_explanation() -> None:
    """Parameter randomisation (Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018)."""
    bundle = read_bundle(builtin_bundle())
    spec = bundle.manifest.spec
    alike = []
    for case in faulty()[:3]:
        variants = [(), *parts(case)]
        trained = explanation(case).values(variants)
        network = Network(spec, [1.0] * len(spec.faults))  # as it was born
        assert case.target is not None
        born = Explanation(engine().judge, TorchRuntime(network).run, case.item, case.target)
        fresh = born.values(variants)
        alike.append(abs(np.corrcoef(trained[1:] - trained[0], fresh[1:] - fresh[0])[0, 1]))
        fill(network, unpack(bundle.weights, "weights"))
        same = Explanation(engine().judge, TorchRuntime(network).run, case.item, case.target)
        np.testing.assert_allclose(same.values(variants[:20]), trained[:20], atol=1e-2)

    assert np.mean(alike) < 0.5


def test_words_point_at_the_characters_of_the_raw_line() -> None:
    told = [(case, explanation(case).document()) for case in faulty()]
    lines = [
        (case, entry)
        for case, document in told
        for entry in document.get("entries", [])  # type: ignore[attr-defined]
    ]
    assert lines
    for case, entry in lines:
        assert case.item.context is not None
        written = {(e.source, e.id): e.content for e in case.item.context.entries}
        content = written[entry["source"], entry["id"]]
        assert isinstance(content, LogEntry)
        spans = [(first, end) for first, end, _ in entry["words"]]
        assert spans == sorted(spans)
        assert all(content.text[a:b].strip() == content.text[a:b] != "" for a, b in spans)
    assert any(entry["words"] for _, entry in lines)


def test_a_bearing_fault_is_told_by_its_own_frequency() -> None:
    bearings = [c for c in faulty() if c.target and c.target.name == "bearing_outer"]
    assert bearings
    orders = [explanation(case).document()["orders"] for case in bearings]
    leading = [told[0]["name"] for told in orders]  # type: ignore[index]
    assert leading.count("bpfo") > len(leading) / 2
    assert all(
        one["hz"][0] > 0
        for told in orders
        for one in told  # type: ignore[attr-defined]
        if one["name"] == "bpfo"
    )


class Tally:
    """A clock that ticks at every look, and counts of outcomes."""

    def __init__(self, tick: float) -> None:
        self._steps = count()
        self._tick = tick
        self.counts: dict[str, int] = {}

    def monotonic(self) -> float:
        return next(self._steps) * self._tick

    def count(self, outcome: str, number: int) -> None:
        self.counts[outcome] = self.counts.get(outcome, 0) + number


def test_a_flood_is_cut_short_and_what_is_skipped_is_counted() -> None:
    tally = Tally(0.0)
    policy = FusionPolicy(device="cpu", explain_runs=1)
    predictor = open_predictor(
        builtin_bundle(), policy, allowance=Allowance(policy, tally.monotonic, tally.count)
    )
    flood = [case.item for case in faulty()] * 5

    answers = predictor.predict(flood)

    explained = [a for a in answers if isinstance(a, Prediction) and a.why]
    assert len(explained) == 1
    assert tally.counts == {"explained": 1, "skipped": len(flood) - 1}
    assert all(isinstance(a, Prediction) for a in answers)


def test_a_start_in_the_midst_of_a_flood_explains_one_window() -> None:
    tally = Tally(1e-3)
    policy = FusionPolicy(device="cpu", explain_share=0.1)
    allowance = Allowance(policy, tally.monotonic, tally.count)
    asked = [(at, case.item, case.prediction) for at, case in enumerate(faulty())]
    assert len(asked) > 1

    done = allowance.explain(asked, engine())

    assert len(done) == 1


def test_a_spent_share_of_the_time_is_earned_again() -> None:
    tally = Tally(3.0)  # an explanation takes 3 s of this clock, a batch earns a tenth of it
    policy = FusionPolicy(device="cpu", explain_share=0.1)
    allowance = Allowance(policy, tally.monotonic, tally.count)
    case = faulty()[0]
    asked = [(0, case.item, case.prediction)]

    done = [bool(allowance.explain(asked, engine())) for _ in range(12)]

    assert done[0]
    assert not done[1]
    assert any(done[2:])
    assert tally.counts["skipped"] > tally.counts["explained"]


def test_healthy_windows_cost_no_run_of_the_network() -> None:
    healthy = [case for case in cases() if case.target is None]
    assert healthy
    policy, tally = FusionPolicy(device="cpu"), Tally(0.0)

    asked = [(at, case.item, case.prediction) for at, case in enumerate(healthy)]
    found = Allowance(policy, tally.monotonic, tally.count).explain(
        asked,
        Engine(engine().judge, _Never()),
    )

    assert found == {}
    assert tally.counts == {}


class _Never:
    """A network that nobody may ask."""

    name = "never"

    def run(self, arrays: Arrays) -> Raw:
        raise AssertionError(f"the network ran for a healthy window: {sorted(arrays)}")


def test_a_slow_network_is_asked_for_the_shares_alone() -> None:
    tally = Tally(60.0)
    policy = FusionPolicy(device="cpu", explain_share=0.5)
    allowance = Allowance(policy, tally.monotonic, tally.count)
    first, second = faulty()[:2]

    whole = allowance.explain([(0, first.item, first.prediction)], engine())
    later: dict[int, Prediction] = {}
    while not later:
        later = allowance.explain([(0, second.item, second.prediction)], engine())

    assert whole[0].why is not None
    assert later[0].why is not None
    assert "sound" in whole[0].why
    assert set(later[0].why) == {"target", "log_odds", "shapley", "runs"}
