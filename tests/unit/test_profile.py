"""What is made of normal windows: banks of steady modalities, one baseline a camera, no more."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.domain import Context, Features, LogEntry, Modality, Window
from mmindustry.errors import InputError
from mmindustry.features.spec import BASELINE, MODALITIES, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bank import novelty
from mmindustry.fusion.bundle import builtin_bundle
from mmindustry.fusion.novelty import densities, distances, novelty_scores
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.predictor import FusionPredictor, open_predictor
from mmindustry.testing import ASSET, make_event, make_window
from mmindustry.training.bank import core_set, learn_bank
from mmindustry.training.policy import ProfilePolicy
from mmindustry.training.profile import ProfileMaker, spread
from tests.held_normal import HeldNormal

POLICY = ProfilePolicy(least_windows=40, most_windows=60, references=20)


class Placed(FusionPredictor):
    """Embeds each window where a test says: by its number and modality."""

    def __init__(self, inner: FusionPredictor, where: NDArray[np.float32]) -> None:
        self._inner = inner
        self._where = where
        self.largest = 0

    @property
    @override
    def bundle(self) -> str:
        return self._inner.bundle

    @override
    def embed(self, features: Sequence[Features]) -> NDArray[np.float32]:
        self.largest = max(self.largest, len(features))
        numbers = [int(f.window.start.timestamp() // 10) % 1000 for f in features]
        return self._where[numbers].reshape(len(features), 3, 4)


@pytest.fixture(scope="module")
def served() -> FusionPredictor:
    return open_predictor(builtin_bundle(), FusionPolicy(device="cpu"))


def pictures(count: int) -> list[tuple[Window, Context]]:
    """Return windows of ten seconds, each with a frame of two cameras and an entry."""
    rng = np.random.default_rng(3)
    pairs = []
    for number in range(count):
        start = 10.0 * number
        frames = [
            make_event(
                Modality.IMAGE,
                start + 1,
                source=f"cam-{camera}",
                id=f"{number}-{camera}",
                offset=2 * number + camera,
                payload=_picture(rng, 60 + 120 * camera),
            )
            for camera in (0, 1)
        ]
        entry = make_event(Modality.TEXT, start, offset=number, text="greased DE brg")
        assert isinstance(entry.content, LogEntry)
        pairs.append((make_window(frames, start=start), Context(entries=(entry,), registered=True)))
    return pairs


def _picture(rng: np.random.Generator, level: int) -> bytes:
    tiles = np.kron(np.indices((6, 6)).sum(0) % 2, np.ones((16, 16)))[..., None] * 80.0 - 40.0
    noisy = np.clip(rng.normal(level, 6, (96, 96, 3)) + tiles, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy)[1].tobytes()


def scattered(count: int, *, drift: float = 0.0) -> NDArray[np.float32]:
    """Return 1000 embeddings (1000, 3, 4); the text's move on by `drift` a window."""
    where = np.random.default_rng(5).normal(size=(1000, 3, 4)).astype(np.float32)
    where[:, 2] += drift * (np.arange(1000) % count)[:, None].astype(np.float32)
    return where


def maker(served: FusionPredictor, where: NDArray[np.float32]) -> ProfileMaker:
    recipe = Recipe()
    placed = Placed(served, where)
    return ProfileMaker(predictor=placed, recipe=recipe, basis=Basis.make(recipe), policy=POLICY)


def test_each_camera_gets_its_own_baseline_and_steady_modalities_their_bank(
    served: FusionPredictor,
) -> None:
    normal = HeldNormal(pictures(70))
    one = maker(served, scattered(70))

    profile = one.make(ASSET, normal, version=3)

    means = {n: float(a.mean()) for n, a in profile.arrays.items() if n.startswith(BASELINE)}
    assert set(means) == {f"{BASELINE}/cam-0", f"{BASELINE}/cam-1"}
    assert means[f"{BASELINE}/cam-0"] == pytest.approx(60 / 255, abs=0.03)
    assert means[f"{BASELINE}/cam-1"] == pytest.approx(180 / 255, abs=0.03)
    assert (profile.id, profile.version, profile.bundle) == (f"{ASSET}@3", 3, served.bundle)
    watched = {"budget", "drift", "step_seconds", "hours_needed"}
    assert set(profile.limits) == {"novelty_image", "novelty_text"} | watched
    assert profile.arrays["bank_image"].shape == (20, 4)
    assert profile.normal_hours == pytest.approx(700 / 3600)
    assert normal.reads <= 2 * POLICY.most_windows
    assert isinstance(one.predictor, Placed)
    assert one.predictor.largest <= 32


def test_a_modality_that_drifts_is_not_told_of(served: FusionPredictor) -> None:
    profile = maker(served, scattered(70, drift=1.0)).make(
        ASSET, HeldNormal(pictures(70)), version=1
    )

    assert [name for name in profile.limits if name.startswith("novelty")] == ["novelty_image"]
    assert "bank_text" not in profile.arrays


def test_where_nothing_is_steady_no_profile_is_made(served: FusionPredictor) -> None:
    where = scattered(70)
    where += np.arange(1000, dtype=np.float32)[:, None, None] % 70

    with pytest.raises(InputError, match="in no modality"):
        maker(served, where).make(ASSET, HeldNormal(pictures(70)), version=1)


def test_too_few_windows_or_another_assets_are_refused(served: FusionPredictor) -> None:
    one, pairs = maker(served, scattered(70)), pictures(45)

    with pytest.raises(InputError, match="39 normal windows are too few, 40 are needed"):
        one.make(ASSET, HeldNormal(pairs[:39]), version=1)
    with pytest.raises(InputError, match="say nothing of"):
        one.make("n/h/l/other", HeldNormal(pairs), version=1)


def test_windows_that_can_not_be_read_any_more_are_not_counted(served: FusionPredictor) -> None:
    torn = [(replace(window, items=()), Context()) for window, _ in pictures(10)]
    normal = HeldNormal([*pictures(45)[:35], *torn])

    with pytest.raises(InputError, match="35 normal windows are too few"):
        maker(served, scattered(70)).make(ASSET, normal, version=1)


def test_the_strange_is_told_from_the_normal_and_the_normal_is_not() -> None:
    rng = np.random.default_rng(11)
    points = rng.normal(size=(400, 8)).astype(np.float32)
    known = learn_bank(points, 200)

    fresh = known.surprise(rng.normal(size=(400, 8)).astype(np.float32))
    strange = known.surprise(rng.normal(6.0, 1.0, size=(50, 8)).astype(np.float32))

    assert abs(float((fresh < 0.1).mean()) - 0.1) < 0.07
    assert float(strange.max()) == pytest.approx(1 / 161)
    arrays = known.arrays("audio")
    assert novelty(points[0] + 50, arrays, "audio") == pytest.approx(1 / 161)
    assert novelty(points[0], arrays, "text") is None


def test_large_banks_are_measured_in_pieces_to_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = np.random.default_rng(2).normal(size=(300, 4)).astype(np.float32)
    whole = densities(points), novelty_scores(points, points[:50], densities(points[:50]))

    monkeypatch.setattr("mmindustry.fusion.novelty._CELLS", 700)
    pieces = densities(points), novelty_scores(points, points[:50], densities(points[:50]))

    np.testing.assert_array_equal(whole[0], pieces[0])
    np.testing.assert_allclose(whole[1], pieces[1])
    between = distances(points, points)
    nearest = np.sort(between + np.diag(np.full(300, np.inf)), axis=1)[:, :8].mean(axis=1)
    np.testing.assert_allclose(whole[0], nearest, rtol=1e-5)


def test_places_are_spread_evenly_and_a_core_set_is_bounded() -> None:
    assert spread(3, 10) == [0, 1, 2]
    assert spread(100, 4) == [0, 33, 66, 99]
    assert spread(0, 5) == []
    points = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32)
    assert core_set(points, 30).shape == (30, 3)
    assert MODALITIES == ("image", "audio", "text")


@pytest.mark.parametrize(
    "wrong",
    [
        {"normal_hours": 0},
        {"check_seconds": 0},
        {"guard_seconds": -1},
        {"least_windows": 39},
        {"least_windows": 300, "most_windows": 299},
        {"most_windows": 20_001},
        {"references": 19},
        {"false_alarms_per_week": 0},
        {"step_seconds": 0},
    ],
    ids=str,
)
def test_a_policy_no_profile_can_be_made_by_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ProfilePolicy(**wrong)  # type: ignore[arg-type]
    assert AlertingPolicy().novelty_limit > 0
