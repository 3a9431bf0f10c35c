"""Laws 9 and 11, and the fusion algebra they rest on."""

from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmindustry.domain import Features, Prediction
from mmindustry.features.spec import MODALITIES
from mmindustry.fusion.allowance import Allowance
from mmindustry.fusion.bundle import read_bundle
from mmindustry.fusion.engine import Engine
from mmindustry.fusion.explainer import log_odds
from mmindustry.fusion.judge import Judge
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.predictor import FusionPredictor, open_predictor
from mmindustry.fusion.torch_runtime import open_torch
from mmindustry.fusion.weights import unpack
from tests.noise import FAULTS, noise_bundle, noise_features, noise_manifest
from tests.promises import missing

SERVING = [("onnx", "late"), ("torch", "late"), ("torch", "concat")]


@cache
def predictor(runtime: str, fusion: str = "late", batch: int = 32) -> FusionPredictor:
    policy = FusionPolicy(device="cpu", runtime=runtime, batch=batch)
    return open_predictor(noise_bundle(fusion), policy)


@cache
def session() -> OnnxRuntime:
    return OnnxRuntime(read_bundle(noise_bundle()).model)


def worried(prior: dict[str, float]) -> FusionPredictor:
    """Return the concat network under a prior that expects a fault, with time to explain."""
    bundle = read_bundle(noise_bundle("concat"))
    manifest = replace(bundle.manifest, prior=prior)
    weights = unpack(bundle.weights, "weights")
    runtime = open_torch(manifest.spec, weights, device="cpu", half=False)
    engine = Engine(Judge(manifest), runtime)
    allowance = Allowance(FusionPolicy(), lambda: 0.0)
    return FusionPredictor({bundle.id: engine}, default=bundle.id, batch=8, allowance=allowance)


def judged(found: FusionPredictor, features: list[Features]) -> list[Prediction]:
    answers = found.predict(features)
    assert all(isinstance(answer, Prediction) for answer in answers)
    return [answer for answer in answers if isinstance(answer, Prediction)]


def numbers(prediction: Prediction) -> np.ndarray:
    """Every probability of a prediction; remaining life in units of the longest told."""
    life = np.array(prediction.remaining_life_seconds) / (90 * 86_400)
    groups = (prediction.faults, prediction.risk, prediction.product)
    return np.concatenate([life, *(list(group.values()) for group in groups)])


patterns = st.tuples(st.booleans(), st.booleans(), st.booleans())
seeds = st.integers(0, 10_000)


@given(seeds, patterns)
@pytest.mark.parametrize(("runtime", "fusion"), SERVING)
def test_a_missing_modality_changes_only_its_mask_and_its_block(
    runtime: str, fusion: str, seed: int, present: tuple[bool, bool, bool]
) -> None:
    item = noise_features(seed, present=present)
    other = noise_features(seed + 20_000)
    absent = tuple(m for m, there in zip(MODALITIES, present, strict=True) if not there)
    garbage = {k: v for k, v in other.arrays.items() if k.startswith(absent)} if absent else {}
    swapped = replace(item, arrays={**item.arrays, **garbage})

    before, after = judged(predictor(runtime, fusion), [item, swapped])

    np.testing.assert_allclose(numbers(before), numbers(after), atol=1e-6)
    assert all(before.terms.get(m, 0.0) == 0.0 for m in absent)


@given(seeds)
@pytest.mark.parametrize(("runtime", "fusion"), SERVING)
def test_with_all_absent_the_answer_is_the_prior(runtime: str, fusion: str, seed: int) -> None:
    nothing = noise_features(seed, present=(False, False, False))

    prediction = judged(predictor(runtime, fusion), [nothing])[0]

    assert prediction.faults == pytest.approx(noise_manifest().prior, abs=1e-9)
    assert prediction.product == {}


@given(seeds, patterns)
def test_masked_items_say_nothing(seed: int, present: tuple[bool, bool, bool]) -> None:
    item = noise_features(seed, present=present)
    noise = noise_features(seed + 30_000)
    arrays = {name: array.copy() for name, array in item.arrays.items()}
    blocks = ("audio_logmel", "audio_level", "image_frames", "image_delta", "text_ids", "text_age")
    for name in (*blocks, "audio_offset", "image_offset", "text_meta", "image_regions"):
        mask = "image_regions_mask" if name == "image_regions" else f"{name.split('_')[0]}_mask"
        hidden = arrays[mask] == 0
        arrays[name][hidden] = noise.arrays[name][hidden]

    before, after = judged(predictor("onnx"), [item, replace(item, arrays=arrays)])

    np.testing.assert_allclose(numbers(before), numbers(after), atol=1e-5)


@given(seeds, patterns)
def test_late_terms_add_up_to_the_evidence(seed: int, present: tuple[bool, bool, bool]) -> None:
    item = noise_features(seed, present=present)
    bundle = read_bundle(noise_bundle())
    engine = Engine(Judge(bundle.manifest), session())

    prediction = judged(predictor("onnx"), [item])[0]

    (_, raw), *_ = engine.run([item], 1)
    leading = max(FAULTS, key=lambda fault: prediction.faults[fault])
    evidence = float(raw.evidence[0, FAULTS.index(leading)])
    temperature = bundle.manifest.calibration.temperature(present)
    assert sum(prediction.terms.values()) == pytest.approx(evidence / temperature, abs=1e-5)


@given(seeds, patterns.filter(any))
def test_terms_of_a_flagged_window_are_shapley_shares_where_fusion_is_not_additive(
    seed: int, present: tuple[bool, bool, bool]
) -> None:
    item = noise_features(seed, present=present)
    prior = {"healthy": 0.01, "bearing_outer": 0.01, "belt_slip": 0.97, "seal_leak": 0.01}
    found = worried(prior)

    prediction = judged(found, [item])[0]

    leading = max(FAULTS, key=lambda fault: prediction.faults[fault])
    assert leading != "healthy"
    likely = np.array([prediction.faults[leading], prior[leading]])
    gain = np.diff(log_odds(likely[::-1]))[0]
    assert sum(prediction.terms.values()) == pytest.approx(gain, abs=3e-3)  # told to 3 places
    assert set(prediction.terms) == set(MODALITIES)
    assert all(prediction.terms[m] == 0.0 for m, p in item.present.items() if not p)


@given(seeds)
def test_an_unexplained_window_has_no_terms_where_fusion_is_not_additive(seed: int) -> None:
    prediction = judged(predictor("torch", "concat"), [noise_features(seed)])[0]

    assert prediction.terms == {}


@given(st.lists(seeds, min_size=1, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_order_and_company_change_no_answer(drawn: list[int], random: Random) -> None:
    items = [noise_features(seed) for seed in drawn]
    shuffled = random.sample(items, len(items))

    forward = {p.window: numbers(p) for p in judged(predictor("onnx"), items)}
    mixed = {p.window: numbers(p) for p in judged(predictor("onnx"), shuffled)}

    assert list(mixed) == [item.window for item in shuffled]
    for window, found in forward.items():
        np.testing.assert_allclose(found, mixed[window], atol=1e-5)


@settings(max_examples=25)
@given(st.lists(st.tuples(seeds, patterns), min_size=1, max_size=12))
@pytest.mark.parametrize("fusion", ["late", "concat"])
def test_a_loaded_bundle_predicts_alike_on_every_runtime(
    fusion: str, drawn: list[tuple[int, tuple[bool, bool, bool]]]
) -> None:
    items = [noise_features(seed, present=present) for seed, present in drawn]

    served = judged(predictor("onnx", fusion), items)
    reference = judged(predictor("torch", fusion), items)

    for left, right in zip(served, reference, strict=True):
        np.testing.assert_allclose(numbers(left), numbers(right), atol=1e-4)
        assert left.terms == pytest.approx(right.terms, abs=1e-4)


@pytest.mark.parametrize("batch", range(1, 33))
def test_every_batch_size_served_gives_the_same_answers(batch: int) -> None:
    items = [noise_features(seed) for seed in range(33)]
    reference = judged(predictor("torch", batch=32), items)

    served = judged(predictor("onnx", batch=batch), items)

    for left, right in zip(served, reference, strict=True):
        np.testing.assert_allclose(numbers(left), numbers(right), atol=1e-4)


@given(seeds, patterns)
def test_risk_never_falls_with_the_horizon_and_quantiles_never_cross(
    seed: int, present: tuple[bool, bool, bool]
) -> None:
    prediction = judged(predictor("onnx"), [noise_features(seed, present=present)])[0]
    low, middle, high = prediction.remaining_life_seconds
    risks = list(prediction.risk.values())

    assert 0 <= low <= middle <= high
    assert risks == sorted(risks)
    assert 0 <= risks[0] <= risks[-1] <= 1
    assert sum(prediction.faults.values()) == pytest.approx(1.0)


def test_half_precision_under_autocast_stays_within_a_hundredth() -> None:
    bundle = read_bundle(noise_bundle())
    weights = unpack(bundle.weights, "weights")
    items = [noise_features(seed) for seed in range(8)]
    engines = [
        Engine(
            Judge(bundle.manifest),
            open_torch(bundle.manifest.spec, weights, device="cpu", half=half),
        )
        for half in (True, False)
    ]

    half, single = (
        judged(FusionPredictor({bundle.id: engine}, default=bundle.id, batch=8), items)
        for engine in engines
    )

    for left, right in zip(half, single, strict=True):
        np.testing.assert_allclose(numbers(left), numbers(right), atol=1e-2)
        assert max(left.faults, key=lambda f: left.faults[f]) == max(
            right.faults, key=lambda f: right.faults[f]
        )


@pytest.mark.gpu
def test_half_precision_on_cuda_agrees_within_a_hundredth() -> None:
    if not torch.cuda.is_available():
        missing("gpu", "torch sees no CUDA device")
    items = [noise_features(seed) for seed in range(40)]
    policy = FusionPolicy(device="cuda:0", precision="half")
    cuda = open_predictor(noise_bundle(), policy)

    served, reference = judged(cuda, items), judged(predictor("torch"), items)

    for left, right in zip(served, reference, strict=True):
        np.testing.assert_allclose(numbers(left), numbers(right), atol=1e-2)


def test_save_then_load_gives_back_the_very_bundle() -> None:
    bundle = read_bundle(noise_bundle())

    assert bundle.id.startswith("noise-")
    assert bundle.manifest.spec == noise_manifest().spec
    assert bundle.manifest.calibration == noise_manifest().calibration
