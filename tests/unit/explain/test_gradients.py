"""Gradients that add up, look where it matters, and change with the weights."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from mmindustry.daemon.explaining import METHODS, by_gradient
from mmindustry.fusion.bundle import builtin_bundle, read_bundle
from mmindustry.fusion.ensemble import Ensemble, make_network
from mmindustry.fusion.explainer import explanation_of, log_odds
from mmindustry.fusion.gradients import (
    Objective,
    grad_cam,
    integrated_gradients,
    objective_of,
    tensors_of,
)
from mmindustry.fusion.network import Network
from mmindustry.fusion.spec import INPUTS
from mmindustry.fusion.weights import arrays_of as weights_of
from mmindustry.fusion.weights import fill, pack, unpack
from tests.unit.explain.material import Case, cases, engine, faulty, flagged


@cache
def network() -> Network:
    bundle = read_bundle(builtin_bundle())
    made = Network(bundle.manifest.spec, [1.0] * len(bundle.manifest.spec.faults)).eval()
    fill(made, unpack(bundle.weights, "weights"))
    return made


def arrays_of(case: Case) -> dict[str, np.ndarray]:
    return {name: case.item.arrays[name] for name in INPUTS}


def objective(case: Case, made: Network | Ensemble | None = None) -> Objective:
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
    for case in [one for seed in (5, 9, 21) for one in flagged(cases(48, seed, assets=4))]:
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
        dealt = [hidden(random.permutation(found.attributions.size)[:count]) for _ in range(8)]
        better.append(hidden(named) < np.mean(dealt))

    assert len(better) >= 30
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


def several(count: int, *, apart: float = 0.0) -> Ensemble:
    """Return the shipped network several times as one, each moved a little."""
    bundle = read_bundle(builtin_bundle())
    spec = replace(bundle.manifest.spec, members=count)
    together = make_network(spec, [1.0] * len(spec.faults)).eval()
    assert isinstance(together, Ensemble)
    random = torch.Generator().manual_seed(5)
    for member in together.members:
        fill(member, unpack(bundle.weights, "weights"))
        for weight in member.parameters():
            weight.data += (
                apart * weight.data.std(correction=0) * torch.randn(weight.shape, generator=random)
            )
    return together


def test_networks_that_are_all_alike_are_explained_as_one_of_them() -> None:
    case = next(c for c in faulty() if c.item.present["image"])
    alike = several(2)

    heat = grad_cam(alike, arrays_of(case), objective(case, alike))
    sound = integrated_gradients(arrays_of(case), objective(case, alike), steps=8)

    single = integrated_gradients(arrays_of(case), objective(case), steps=8)
    np.testing.assert_allclose(
        heat, grad_cam(network(), arrays_of(case), objective(case)), atol=1e-4
    )
    np.testing.assert_allclose(sound.attributions, single.attributions, atol=1e-4)


def test_the_map_of_several_networks_is_of_all_their_gradients() -> None:
    case = next(c for c in faulty() if c.item.present["image"])
    together = several(2, apart=0.2)
    arrays, told = arrays_of(case), objective(case, together)

    heat = grad_cam(together, arrays, told)

    first, second = (grad_cam_within(together, k, case) for k in range(2))
    mean = np.maximum(first + second, 0)
    assert np.abs(first - second).max() > 0.01 * np.abs(mean).max()
    np.testing.assert_allclose(heat, mean / mean.max(), atol=1e-4)


def grad_cam_within(together: Ensemble, chosen: int, case: Case) -> np.ndarray:
    """Return one member's part of the map, signed: the last maps by their mean slope."""
    kept: list[torch.Tensor] = []
    frames = case.item.arrays["image_frames"].shape[0]

    def keep(_module: nn.Module, _inputs: object, output: object) -> None:
        if not isinstance(output, torch.Tensor) or output.dim() != 4:
            return
        if len(output) == frames and min(output.shape[2:]) >= 3:
            kept.append(output)

    member = together.members[chosen]
    assert isinstance(member, Network)
    image = member.image
    hooks = [module.register_forward_hook(keep) for module in image.modules()]
    tensors = tensors_of(arrays_of(case))
    tensors["image_frames"].requires_grad_()
    value = objective(case, together)(tensors).sum()
    for hook in hooks:
        hook.remove()
    (slope,) = torch.autograd.grad(value, kept[-1])
    return (slope.mean(dim=(2, 3), keepdim=True) * kept[-1]).sum(dim=1).detach().numpy()


def test_a_bundle_of_several_networks_is_explained_by_gradients() -> None:
    case = next(c for c in faulty() if c.item.present["image"] and c.item.present["audio"])
    assert case.target is not None
    bundle = read_bundle(builtin_bundle())
    together = several(2, apart=0.05)
    manifest = replace(bundle.manifest, spec=together.spec)
    folds = replace(bundle, manifest=manifest, weights=pack(weights_of(together)))
    explanation = explanation_of(engine(), case.item, case.target)

    told, maps = by_gradient(folds, explanation, METHODS)

    expected = grad_cam(together, arrays_of(case), objective(case, together))[-1]
    np.testing.assert_allclose(maps["gradcam"], expected, atol=1e-5)
    assert told["integrated_gradients"]["gap"] < 0.2
    assert told["integrated_gradients"]["sum"] == pytest.approx(
        told["integrated_gradients"]["difference"], abs=0.2
    )
