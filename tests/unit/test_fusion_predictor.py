"""The predictor port: order, grouping, memory, answers that are not finite."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from mmindustry.domain import Failed, Features, Prediction, Profile
from mmindustry.errors import BundleError, ConfigError
from mmindustry.fusion.bundle import read_bundle, write_bundle
from mmindustry.fusion.calibration import Calibration
from mmindustry.fusion.conformal import ClassSets
from mmindustry.fusion.engine import Engine
from mmindustry.fusion.judge import Judge
from mmindustry.fusion.novelty import array_names, densities
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.predictor import FusionPredictor, choose_device, open_predictor
from mmindustry.fusion.runtime import Arrays, DeviceMemory, Raw, Runtime
from mmindustry.fusion.typical import Typical
from mmindustry.store.prediction_rows import prediction_row
from tests.noise import START, noise_bundle, noise_contents, noise_features, noise_manifest


class Scripted(Runtime):
    """A real session that has room for `room` windows and spoils the answers of `bad` rows."""

    def __init__(self, room: int, bad: Sequence[int] = ()) -> None:
        self.name = "scripted"
        self.sizes: list[int] = []
        self._room, self._bad = room, list(bad)
        self._session = OnnxRuntime(read_bundle(noise_bundle()).model)

    @override
    def run(self, arrays: Arrays) -> Raw:
        size = len(arrays["present"])
        self.sizes.append(size)
        if size > self._room:
            raise DeviceMemory(f"{size} windows")
        raw = self._session.run(arrays)
        for row in self._bad:
            raw.hazard[row, 3] = np.nan
        return raw


def over(runtime: Runtime, batch: int = 32) -> FusionPredictor:
    bundle = read_bundle(noise_bundle())
    return FusionPredictor(
        {bundle.id: Engine(Judge(bundle.manifest), runtime)}, default=bundle.id, batch=batch
    )


def plain() -> FusionPredictor:
    return open_predictor(noise_bundle(), FusionPolicy(device="cpu"))


def test_a_failed_window_passes_through_in_its_place() -> None:
    first, last = noise_features(0), noise_features(2)
    failed = Failed(noise_features(1).window, START, "build", "empty", "nothing readable")

    answers = plain().predict([first, failed, last])

    assert answers[1] is failed
    assert [a.window for a in answers] == [first.window, failed.window, last.window]


def test_batches_hold_at_most_the_policys_number() -> None:
    runtime = Scripted(room=100)

    answers = over(runtime, batch=4).predict([noise_features(seed) for seed in range(10)])

    assert runtime.sizes == [4, 4, 2]
    assert all(isinstance(answer, Prediction) for answer in answers)


def test_memory_that_runs_short_halves_the_batch_and_loses_no_window() -> None:
    runtime = Scripted(room=3)
    items = [noise_features(seed) for seed in range(10)]

    answers = over(runtime).predict(items)

    assert runtime.sizes == [10, 5, 2, 2, 2, 2, 2]
    for answer, expected in zip(answers, plain().predict(items), strict=True):
        assert isinstance(answer, Prediction)
        assert isinstance(expected, Prediction)
        assert answer.window == expected.window
        assert answer.faults == pytest.approx(expected.faults, abs=1e-5)


def test_memory_too_short_for_one_window_fails_it_by_name() -> None:
    answers = over(Scripted(room=0)).predict([noise_features(seed) for seed in range(3)])

    assert [(a.stage, a.reason) for a in answers if isinstance(a, Failed)] == [
        ("predict", "device_memory")
    ] * 3


def test_an_answer_that_is_not_finite_fails_its_window_alone() -> None:
    items = [noise_features(seed) for seed in range(3)]

    answers = over(Scripted(room=9, bad=[1])).predict(items)

    middle = answers[1]
    assert isinstance(middle, Failed)
    assert middle.reason == "model_fault"
    assert isinstance(answers[0], Prediction)
    assert isinstance(answers[2], Prediction)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("audio_logmel", np.zeros((5, 64, 63), np.float32)),
        ("text_ids", np.zeros((20, 96), np.int64)),
        ("card", None),
    ],
)
def test_arrays_of_another_recipe_fail_their_window_alone(
    name: str, array: np.ndarray | None
) -> None:
    good = noise_features(0)
    arrays = {**good.arrays, name: array}
    bad = replace(good, arrays={k: v for k, v in arrays.items() if v is not None})

    answers = plain().predict([bad, good])

    assert isinstance(answers[0], Failed)
    assert answers[0].reason == "recipe_mismatch"
    assert name in answers[0].detail
    assert isinstance(answers[1], Prediction)
    with pytest.raises(BundleError, match=name):
        plain().embed([bad])


def test_windows_are_grouped_by_bundle_and_answered_in_order(tmp_path: Path) -> None:
    second = tmp_path / "second"
    other = write_bundle(second, noise_manifest(name="second"), noise_contents())
    found = open_predictor(noise_bundle(), FusionPolicy(device="cpu"), also=[second])
    items = [noise_features(seed, bundle=other if seed % 2 else "") for seed in range(6)]

    answers = found.predict([*items, noise_features(9, bundle="gone-1")])

    assert [a.bundle for a in answers] == [found.bundle, other] * 3 + ["gone-1"]
    assert [a.window for a in answers[:6]] == [item.window for item in items]
    assert isinstance(answers[6], Failed)
    assert answers[6].reason == "bundle_missing"
    assert found.bundles == (found.bundle, other)


def test_what_the_window_carried_is_in_its_prediction() -> None:
    item = replace(
        noise_features(3), findings=(("camera_black", "cam"),), registered=False, running=False
    )

    prediction = plain().predict([item])[0]

    assert isinstance(prediction, Prediction)
    assert prediction.findings == (("camera_black", "cam"),)
    assert (prediction.registered, prediction.running) == (False, False)
    assert (prediction.present, prediction.quality) == (item.present, item.quality)
    assert prediction.end - prediction.window.start == timedelta(seconds=4)


def test_no_product_in_view_means_no_verdict() -> None:
    item = noise_features(3)
    arrays = {**item.arrays, "image_regions_mask": np.zeros(3, np.float32)}

    prediction = plain().predict([replace(item, arrays=arrays)])[0]

    assert isinstance(prediction, Prediction)
    assert prediction.product == {}


def profile(items: Sequence[Features], bundle: str) -> Profile:
    embedded = plain().embed(items)
    arrays = {}
    for m, modality in enumerate(("image", "audio", "text")):
        bank, density, calibration = array_names(modality)
        arrays[bank] = embedded[:, m]
        arrays[density] = densities(embedded[:, m])
        arrays[calibration] = np.linspace(0.5, 1.5, 99).astype(np.float32)
    return Profile(
        id="p1", asset="a", version=1, bundle=bundle, normal_hours=1.0, arrays=arrays, limits={}
    )


def test_novelty_is_told_against_a_profile_of_the_same_bundle_only() -> None:
    items = [noise_features(seed) for seed in range(12)]
    mine, foreign = profile(items, plain().bundle), profile(items, "another")

    known, strange = plain().predict(
        [replace(items[0], profile=mine), replace(items[0], profile=foreign)]
    )

    assert isinstance(known, Prediction)
    assert isinstance(strange, Prediction)
    assert known.profile == "p1"
    assert known.novelty == pytest.approx(dict.fromkeys(("image", "audio", "text"), 1.0))
    assert (strange.profile, strange.novelty) == (None, {})


def test_nothing_in_means_nothing_out() -> None:
    assert plain().predict([]) == []
    assert plain().embed([]).shape == (0, 3, 64)


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "gpu"},
        {"runtime": "jax"},
        {"precision": "bf16"},
        {"batch": 0},
        {"device": "cuda:0", "runtime": "onnx"},
        {"device": "cpu", "precision": "half"},
    ],
)
def test_a_policy_no_predictor_can_follow_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"give|must|needs"):
        FusionPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_auto_is_cpu_where_no_device_is_seen() -> None:
    assert choose_device(FusionPolicy(), lambda: False) == "cpu"
    assert choose_device(FusionPolicy(device="cuda:1"), lambda: False) == "cuda:1"


def test_half_precision_on_a_cpu_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="single or auto"):
        open_predictor(noise_bundle(), FusionPolicy(precision="half"), nvidia=lambda: False)


def promised(sets: ClassSets, typical: Typical | None = None) -> FusionPredictor:
    bundle = read_bundle(noise_bundle())
    calibration = replace(Calibration.neutral(), sets=sets, typical=typical)
    judge = Judge(replace(bundle.manifest, calibration=calibration))
    return FusionPredictor(
        {bundle.id: Engine(judge, OnnxRuntime(bundle.model))}, default=bundle.id, batch=8
    )


def test_a_bundle_with_sets_tells_them_the_likeliest_class_first() -> None:
    faults = read_bundle(noise_bundle()).manifest.spec.faults
    everything = ClassSets(0.9, {"": (1.0,) * len(faults)})
    only_first = ClassSets(0.9, {"": (0.0,) * len(faults)})

    (told,) = promised(everything).predict([noise_features(1)])
    (short,) = promised(only_first).predict([noise_features(1)])
    (silent,) = plain().predict([noise_features(1)])

    assert isinstance(told, Prediction)
    assert isinstance(short, Prediction)
    assert isinstance(silent, Prediction)
    assert told.classes == tuple(sorted(told.faults, key=lambda f: -told.faults[f]))
    assert short.classes == (short.leading,)
    assert told.covered == 0.9
    assert (silent.classes, silent.covered, silent.unknown) == (None, None, False)


def test_a_window_like_no_known_one_is_unknown() -> None:
    spec = read_bundle(noise_bundle()).manifest.spec
    shape = (len(spec.modalities), len(spec.faults), spec.width)
    whitening = np.stack([np.eye(spec.width)] * 3)
    near = tuple(np.zeros(400, np.float32) for _ in range(3))
    typical = Typical(np.full(shape, 1e3), whitening, near)
    sets = ClassSets(0.9, {"": (1.0,) * len(spec.faults)})

    (told,) = promised(sets, typical).predict([noise_features(1)])

    assert isinstance(told, Prediction)
    assert told.unknown
    assert prediction_row(told)["fault"] == "unknown"
    assert prediction_row(told)["health"] is None


def test_where_nothing_is_there_the_answer_is_blind_and_promises_nothing() -> None:
    item = noise_features(3)
    arrays = dict(item.arrays) | {"present": np.zeros(3, np.float32)}
    blind = replace(item, arrays=arrays, present=dict.fromkeys(item.present, False))
    faults = read_bundle(noise_bundle()).manifest.spec.faults

    (told,) = promised(ClassSets(0.9, {"": (1.0,) * len(faults)})).predict([blind])

    assert isinstance(told, Prediction)
    assert told.blind
    assert told.classes is None
    assert prediction_row(told)["fault"] == "blind"
    assert prediction_row(told)["fault_probability"] is None


def test_embeddings_are_kept_in_half_precision() -> None:
    (told,) = plain().predict([noise_features(5)])
    assert isinstance(told, Prediction)

    kept = np.frombuffer(told.embedding, "<f2").reshape(3, -1)

    np.testing.assert_allclose(kept, plain().embed([noise_features(5)])[0], atol=5e-3)
