"""Gradients that add up, look where it matters, and change with the weights."""

from functools import cache

import numpy as np
import pytest

from mmindustry.fusion.bundle import builtin_bundle, read_bundle
from mmindustry.fusion.explainer import log_odds
from mmindustry.fusion.gradients import (
    Objective,
    grad_cam,
    integrated_gradients,
    objective_of,
    tensors_of,
)
from mmindustry.fusion.network import Network
from mmindustry.fusion.spec import INPUTS
from mmindustry.fusion.weights import fill, unpack
from tests.unit.explain.material import Case, engine, faulty


@cache
def network() -> Network:
    bundle = read_bundle(builtin_bundle())
    made = Network(bundle.manifest.spec, [1.0] * len(bundle.manifest.spec.faults)).eval()
    fill(made, unpack(bundle.weights, "weights"))
    return made


def arrays_of(case: Case) -> dict[str, np.ndarray]:
    return {name: case.item.arrays[name] for name in INPUTS}


def objective(case: Case, made: Network | None = None) -> Objective:
    assert case.target is not None
    return objective_of(made or network(), engine().judge, case.target)


def test_the_objective_is_what_the_worker_explains() -> None:
    for case in faulty():
        told = float(objective(case)(tensors_of(arrays_of(case))).detach()[0])

        stated = np.array([case.prediction.faults[case.prediction.leading]])
        assert told == pytest.approx(float(log_odds(stated)[0]), abs=0.05)


def test_integrated_gradients_add_up_to_the_difference_of_their_ends() -> None:
    for case in faulty()[:3]:
        found = integrated_gradients(arrays_of(case), objective(case), steps=96)

        assert found.attributions.shape == case.item.arrays["audio_logmel"].shape
        assert found.gap <= 0.05 + 0.05 * abs(found.difference)


def test_more_steps_close_the_gap() -> None:
    case = faulty()[0]

    gaps = [integrated_gradients(arrays_of(case), objective(case), steps=n).gap for n in (2, 128)]

    assert gaps[1] <= gaps[0] + 1e-3


def test_silencing_what_the_gradients_name_hurts_more_than_silencing_at_random() -> None:
    better = []
    random = np.random.default_rng(1)
    for case in faulty()[:4]:
        arrays, told = arrays_of(case), objective(case)
        found = integrated_gradients(arrays, told, steps=32)
        if abs(found.difference) < 0.2:
            continue  # sound says little here
        count = found.attributions.size // 10
        floor = float(np.quantile(arrays["audio_logmel"], 0.1))

        def hidden(places: np.ndarray, case: Case = case, floor: float = floor) -> float:
            sound = case.item.arrays["audio_logmel"].copy()
            sound.reshape(-1)[places] = floor
            changed = arrays_of(case) | {"audio_logmel": sound}
            return float(objective(case)(tensors_of(changed)).detach()[0])

        named = np.argsort(-found.attributions.reshape(-1))[:count]
        dealt = [hidden(random.permutation(found.attributions.size)[:count]) for _ in range(3)]
        better.append(hidden(named) < np.mean(dealt))

    assert better
    assert np.mean(better) >= 0.7


def test_grad_cam_tells_a_place_on_every_frame_and_changes_with_the_weights() -> None:
    spec = read_bundle(builtin_bundle()).manifest.spec
    case = next(c for c in faulty() if c.item.present["image"])
    born = Network(spec, [1.0] * len(spec.faults)).eval()

    heat = grad_cam(network(), arrays_of(case), objective(case))
    other = grad_cam(born, arrays_of(case), objective(case, born))

    assert heat.shape[0] == spec.recipe.frames
    assert min(heat.shape[1:]) >= 3
    assert 0.0 <= float(heat.min()) <= float(heat.max()) <= 1.0 + 1e-6
    assert not np.allclose(heat, other, atol=0.05)
