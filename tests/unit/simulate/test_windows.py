"""Labelled windows: true, repeatable, and not to be guessed by what says nothing."""

from dataclasses import replace
from datetime import timedelta

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mmindustry.domain import Chunk, Frame, LogEntry, Modality
from mmindustry.simulate.cases import draw_case
from mmindustry.simulate.faults import CATALOGUE, CLASSES
from mmindustry.simulate.machine import draw_fleet
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.situation import TWIN_ORDER
from mmindustry.simulate.windows import LabelledWindow, labelled_windows

N, ASSETS = 324, 54


@pytest.fixture(scope="module")
def windows() -> list[LabelledWindow]:
    return list(labelled_windows(N, 21, assets=ASSETS))


def sound(window: LabelledWindow) -> NDArray[np.float64] | None:
    parts = [
        np.frombuffer(item.content.payload, ">i2")
        for item in window.window.items
        if isinstance(item.content, Chunk)
    ]
    return np.concatenate(parts).astype(float) if parts else None


def texts(window: LabelledWindow) -> list[str]:
    return [e.content.text for e in window.context.entries if isinstance(e.content, LogEntry)]


def test_the_same_seed_gives_the_same_bytes_whatever_the_number() -> None:
    few = list(labelled_windows(5, 3, assets=3))
    many = list(labelled_windows(8, 3, assets=3))
    other = list(labelled_windows(5, 4, assets=3))

    for one, same, different in zip(few, many, other, strict=False):
        assert [i.content for i in one.window.items] == [i.content for i in same.window.items]
        assert texts(one) == texts(same)
        assert replace(one.truth, defect_mask=None) == replace(same.truth, defect_mask=None)
        assert [i.content for i in one.window.items] != [i.content for i in different.window.items]


def test_items_lie_in_their_window_in_order_and_whole(windows: list[LabelledWindow]) -> None:
    for one in windows[:120]:
        window, items = one.window, one.window.items

        assert items
        assert window.end - window.key.start == timedelta(seconds=4)
        assert list(items) == sorted(items, key=lambda e: (e.time, e.source, e.id))
        assert all(window.key.start <= item.time < window.end for item in items)
        assert all(item.end <= window.end for item in items)
        assert len({item.identity for item in items}) == len(items)
        silent = {item.modality for item in items}
        assert (Modality.IMAGE not in silent) == any("camera" in name for name in window.missing)
        assert (Modality.AUDIO not in silent) == any("micro" in name for name in window.missing)


def test_the_logbook_is_never_from_the_future(windows: list[LabelledWindow]) -> None:
    for one in windows:
        for entry in one.context.entries:
            assert entry.end <= one.window.end
            assert entry.append_time <= one.window.end
        assert all(state.time < one.window.end for state in one.context.states)


def test_every_class_comes_up_and_healthy_is_a_quarter(windows: list[LabelledWindow]) -> None:
    faults = [one.truth.fault for one in windows]

    assert set(faults) == set(CLASSES)
    assert 0.18 < faults.count("healthy") / N < 0.36


def test_the_truth_of_a_window_is_whole(windows: list[LabelledWindow]) -> None:
    for one in windows:
        truth = one.truth

        assert truth.asset == one.window.key.asset
        assert truth.time_to_failure_seconds >= 0
        assert truth.censored == truth.is_healthy == (truth.severity == 0)
        if not truth.is_healthy:
            assert truth.severity > CATALOGUE[truth.fault].first_onset
        if truth.product in {None, "good", "empty"}:
            assert truth.defect_mask is None or not truth.defect_mask.any()
        else:
            assert truth.defect_mask is not None
            assert truth.defect_mask.sum() > 10


def test_the_nearer_the_failure_the_more_severe(windows: list[LabelledWindow]) -> None:
    episodes: dict[str, list[LabelledWindow]] = {}
    for one in windows:
        if not one.truth.is_healthy:
            episodes.setdefault(one.truth.episode, []).append(one)

    assert max(len(visits) for visits in episodes.values()) == 4
    for visits in episodes.values():
        severities = [one.truth.severity for one in visits]
        lives = [one.truth.time_to_failure_seconds for one in visits]
        assert severities == sorted(severities)
        assert lives == sorted(lives, reverse=True)


def test_look_alikes_are_drawn_without_a_look_at_the_label() -> None:
    policy = SimulatePolicy(seed=8, assets=300)
    cases = [draw_case(m, visit, policy) for m in draw_fleet(policy) for visit in (0, 4, 8, 12)]
    sick = np.array([case.fault != "healthy" for case in cases])

    for twin in TWIN_ORDER:
        here = np.array([twin in case.situation.twins for case in cases])
        spread = np.sqrt(0.27 * 0.73 * (1 / sick.sum() + 1 / (~sick).sum()))
        assert 0.23 < here.mean() < 0.31
        assert abs(here[sick].mean() - here[~sick].mean()) < 3.5 * spread
    for name in ("no_image", "no_audio", "camera_fault", "microphone_fault"):
        here = np.array([bool(getattr(case, name)) for case in cases])
        assert 0.01 < here.mean() < 0.1
        assert abs(here[sick].mean() - here[~sick].mean()) < 0.06


def test_broken_sensors_are_broken(windows: list[LabelledWindow]) -> None:
    codes = {code: one for one in windows for code, _ in one.truth.sensor_faults}

    assert set(codes) == {
        *("camera_frozen", "camera_black"),
        *("microphone_silent", "microphone_clipped"),
    }
    frozen = [
        i.content for i in codes["camera_frozen"].window.items if isinstance(i.content, Frame)
    ]
    assert len({frame.payload for frame in frozen}) == 1
    dead = sound(codes["microphone_silent"])
    assert dead is not None
    assert np.abs(dead).max() < 100
    loud = sound(codes["microphone_clipped"])
    assert loud is not None
    assert np.mean(np.abs(loud) >= 32767) > 0.01
    for one in windows:
        if any("camera" in code for code, _ in one.truth.sensor_faults):
            assert one.truth.product is None


def trivial(one: LabelledWindow) -> list[float]:
    """Return loudness, pitch, brightness, contrast, number and length of lines."""
    heard, lines = sound(one), texts(one)
    loudness, centroid = 3.0, 1500.0
    if heard is not None:
        power = np.abs(np.fft.rfft(heard)) ** 2
        loudness = float(np.log10(heard.std() + 1))
        centroid = float((power * np.fft.rfftfreq(len(heard), 1 / 16_000)).sum() / power.sum())
    frames = [
        cv2.imdecode(np.frombuffer(item.content.payload, np.uint8), cv2.IMREAD_GRAYSCALE)
        for item in one.window.items[:3]
        if isinstance(item.content, Frame)
    ]
    grey = [(float(f.mean()), float(f.std())) for f in frames if f is not None]
    bright, contrast = grey[-1] if grey else (105.0, 38.0)
    length = float(np.mean([len(line) for line in lines])) if lines else 0.0
    return [loudness, centroid, bright, contrast, float(len(lines)), length]


def balanced_accuracy(
    features: NDArray[np.float64], labels: NDArray[np.int64], test: NDArray[np.bool_]
) -> float:
    """Return what a ridge-regularised quadratic discriminant makes of the features."""
    mean, spread = features[~test].mean(0), features[~test].std(0) + 1e-9
    z = (features - mean) / spread
    z = np.hstack([np.ones((len(z), 1)), z, z**2])
    targets = np.eye(len(CLASSES))[labels]
    weights = 1 / np.bincount(labels[~test], minlength=len(CLASSES))[labels[~test]]
    x, y = z[~test] * weights[:, None], targets[~test]
    solved = np.linalg.solve(x.T @ z[~test] + 0.02 * np.eye(z.shape[1]), x.T @ y)
    guessed = (z @ solved).argmax(1)
    hits = [(guessed[test & (labels == c)] == c).mean() for c in set(labels[test])]
    return float(np.mean(hits))


def test_trivial_features_stay_near_chance(windows: list[LabelledWindow]) -> None:
    features = np.array([trivial(one) for one in windows])
    labels = np.array([CLASSES.index(one.truth.fault) for one in windows])
    assets = np.array([one.truth.asset for one in windows])
    folds = [np.isin(assets, sorted(set(assets))[k::4]) for k in range(4)]

    score = np.mean([balanced_accuracy(features, labels, test) for test in folds])

    assert score < 1 / len(CLASSES) + 0.05 + 0.03  # the gate, and one standard error of N = 324


@pytest.mark.parametrize(
    "wrong",
    [{"n": -1}, {"assets": 0}, {"length_seconds": 0.5}],
    ids=["negative number", "no asset", "no chunk fits"],
)
def test_impossible_orders_are_refused(wrong: dict[str, float]) -> None:
    order: dict[str, float] = {"n": 1, "assets": 2, "length_seconds": 4.0} | wrong

    with pytest.raises(ValueError, match=r"must|chunk"):
        list(
            labelled_windows(
                int(order["n"]),
                1,
                assets=int(order["assets"]),
                length_seconds=order["length_seconds"],
            )
        )


def test_other_lengths_hold_as_many_chunks() -> None:
    (one,) = labelled_windows(1, 2, length_seconds=10.0, assets=1)

    chunks = [item for item in one.window.items if item.modality is Modality.AUDIO]
    assert len(chunks) in {0, 10}
    assert one.window.end - one.window.key.start == timedelta(seconds=10)


@pytest.mark.parametrize(
    ("field", "value"),
    [("twin_share", 1.5), ("rate_hz", 100), ("assets", 0), ("jpeg_quality", 5), ("seed", -1)],
    ids=str,
)
def test_a_policy_refuses_what_makes_no_plant(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        SimulatePolicy(**{field: value})  # type: ignore[arg-type]


@pytest.mark.soak
def test_trivial_features_stay_near_chance_in_the_long_form() -> None:
    taken = [
        (trivial(one), one.truth.fault, one.truth.asset)
        for one in labelled_windows(3000, 77, assets=100)
    ]
    features = np.array([row for row, _, _ in taken])
    labels = np.array([CLASSES.index(fault) for _, fault, _ in taken])
    assets = np.array([asset for _, _, asset in taken])
    folds = [np.isin(assets, sorted(set(assets))[k::5]) for k in range(5)]

    score = np.mean([balanced_accuracy(features, labels, test) for test in folds])

    assert score < 1 / len(CLASSES) + 0.05
