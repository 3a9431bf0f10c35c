"""The picture steers the ear, and only where it is there."""

import numpy as np
import pytest
import torch

from mmindustry.features.spec import Recipe
from mmindustry.features.speeds import speeds_rpm
from mmindustry.fusion.export import blank_arrays, export_onnx
from mmindustry.fusion.network import Network
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.steering import speed_loss

RECIPE = Recipe(speeds=24, frames=2, segments=2, entries=3)
SPEC = NetworkSpec(
    recipe=RECIPE,
    faults=("healthy", "bearing_outer", "bearing_inner"),
    products=("good", "dent"),
    gauges={"speed_rpm": 3000.0},
    width=16,
    steering=True,
)


def _network(spec: NetworkSpec = SPEC) -> Network:
    torch.manual_seed(1)
    return Network(spec, np.full(len(spec.faults), 1 / len(spec.faults))).eval()


def _arrays(seed: int, count: int = 4) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    arrays = blank_arrays(SPEC, count)
    for name, tensor in arrays.items():
        if tensor.dtype == torch.float32 and not name.endswith(("_mask", "known")):
            arrays[name] = torch.rand(tensor.shape, generator=random)
    arrays["operating"] = torch.zeros_like(arrays["operating"])
    arrays["present"] = torch.ones_like(arrays["present"])
    return arrays


def test_what_is_heard_depends_on_the_dial_where_a_picture_is_there() -> None:
    network, arrays = _network(), _arrays(1)
    other = {**arrays, "image_dial": _arrays(2)["image_dial"]}

    with torch.inference_mode():
        assert not torch.allclose(network(arrays).modal[:, 1], network(other).modal[:, 1])


def test_an_absent_picture_steers_nothing() -> None:
    network, arrays = _network(), _arrays(1)
    arrays["present"][:, 0] = 0.0
    other = {**arrays, "image_dial": _arrays(2)["image_dial"]}

    with torch.inference_mode():
        assert torch.equal(network(arrays).evidence, network(other).evidence)


def test_an_absent_sound_says_nothing_of_the_speed() -> None:
    network, arrays = _network(), _arrays(1)
    arrays["present"][:, 1] = 0.0
    other = {**arrays, "audio_speeds": _arrays(2)["audio_speeds"]}

    with torch.inference_mode():
        assert torch.equal(network(arrays).evidence, network(other).evidence)
        first, second = network(arrays).speeds, network(other).speeds
    assert torch.equal(first[1], second[1])


def test_a_speed_that_the_drive_tells_settles_it() -> None:
    network, arrays = _network(), _arrays(1)
    rpm = float(speeds_rpm(RECIPE)[9])
    arrays["operating"][:, 0], arrays["operating"][:, 3] = rpm / 3000.0, 1.0

    with torch.inference_mode():
        speeds = network(arrays).speeds

    assert speeds[1].argmax(1).tolist() == [9] * 4
    torch.testing.assert_close(speeds.exp().sum(2), torch.ones(2, 4))


def test_every_weight_learns() -> None:
    network, arrays = _network().train(), _arrays(3)
    answer = network(arrays)

    total = answer.evidence.square().sum() + answer.speeds[0].square().sum()
    total.backward()

    assert network.steering is not None
    for name, parameter in network.steering.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.abs().sum() > 0), name


def test_the_loss_is_least_where_the_needle_stands() -> None:
    ladder = speeds_rpm(RECIPE)
    there = torch.full((1, 24), -20.0)
    there[0, 7] = 0.0

    def loss(rpm: float) -> float:
        right = torch.log_softmax(there, 1).expand(2, -1, -1)
        return float(speed_loss(right, torch.tensor([rpm]), RECIPE))

    assert loss(float(ladder[7])) < loss(float(ladder[8])) < loss(float(ladder[12]))
    assert loss(float("nan")) == 0.0


def test_a_steered_network_is_exported_and_answers_the_same() -> None:
    network = _network()
    arrays = _arrays(5)
    served = {name: tensor.numpy() for name, tensor in arrays.items()}

    raw = OnnxRuntime(export_onnx(network)).run(served)

    with torch.inference_mode():
        answer = network(arrays)
    np.testing.assert_allclose(raw.evidence, answer.evidence.numpy(), atol=2e-5)


def test_steering_without_speeds_is_refused() -> None:
    with pytest.raises(ValueError, match="speeds"):
        NetworkSpec(recipe=Recipe(), faults=("healthy",), products=("good",), steering=True)


def test_the_spec_of_an_older_bundle_is_not_steered() -> None:
    document = NetworkSpec(recipe=Recipe(), faults=("healthy",), products=("good",)).to_json()
    del document["steering"]

    assert not NetworkSpec.from_json(document).steering
