"""Structured pruning: whole channels go, so tensors get smaller and nothing has to know of masks.

A channel counts by the size of its batch norm's scale times the norm of its filter (Liu et al.,
ICCV 2017; Li et al., ICLR 2017); the least go, the same share in every layer, in whole blocks.
What follows a layer loses the inputs that came from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.fusion.catalogue import DEFAULTS
from mmindustry.fusion.spec import NetworkSpec

Arrays = Mapping[str, NDArray[np.float32]]
Kept = Mapping[str, NDArray[np.int64]]

_SMALL = "tiny"
_BLOCK = 8
"""Channels that ONNX Runtime's convolutions take at a time (NCHWc layout: 8 with AVX2, 16 with
AVX-512); counts between were measured a fifth to a third slower than the whole network."""
_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class Layer:
    """Where a layer's channels are made: its filter and its batch norm."""

    filter: str
    norm: str


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a tensor as blocks of (layer, values a channel), one after the other."""

    tensor: str
    axis: int
    blocks: tuple[tuple[str, int], ...]


LAYERS: Mapping[str, Layer] = MappingProxyType(
    {
        "frames_1": Layer("image.frames.0.weight", "image.frames.1"),
        "frames_2": Layer("image.frames.3.layers.1.weight", "image.frames.3.layers.2"),
        "frames_3": Layer("image.frames.4.layers.1.weight", "image.frames.4.layers.2"),
        "frames_grid": Layer("image.frames.5.weight", "image.frames.6"),
        "crops_1": Layer("image.crops.0.weight", "image.crops.1"),
        "crops_2": Layer("image.crops.3.weight", "image.crops.4"),
        "crops_3": Layer("image.crops.6.weight", "image.crops.7"),
        "crops_grid": Layer("image.thin.0.weight", "image.thin.1"),
        "tone_1": Layer("audio.stem.0.weight", "audio.stem.1"),
        "tone_2": Layer("audio.blocks.0.layers.1.weight", "audio.blocks.0.layers.2"),
        "tone_3": Layer("audio.blocks.1.layers.1.weight", "audio.blocks.1.layers.2"),
        "tone_4": Layer("audio.blocks.2.layers.1.weight", "audio.blocks.2.layers.2"),
    }
)
"""Size of the tiny encoders -> the layer whose channels it counts."""

_DEPTHWISE = MappingProxyType(
    {
        "image.frames.3.layers.0.weight": "frames_1",
        "image.frames.4.layers.0.weight": "frames_2",
        "audio.blocks.0.layers.0.weight": "tone_1",
        "audio.blocks.1.layers.0.weight": "tone_2",
        "audio.blocks.2.layers.0.weight": "tone_3",
    }
)
_NEXT = MappingProxyType(
    {
        "image.frames.3.layers.1.weight": "frames_1",
        "image.frames.4.layers.1.weight": "frames_2",
        "image.frames.5.weight": "frames_3",
        "image.crops.3.weight": "crops_1",
        "image.crops.6.weight": "crops_2",
        "image.thin.0.weight": "crops_3",
        "audio.blocks.0.layers.1.weight": "tone_1",
        "audio.blocks.1.layers.1.weight": "tone_2",
        "audio.blocks.2.layers.1.weight": "tone_3",
    }
)


def pruned(spec: NetworkSpec, weights: Arrays, share: float) -> tuple[NetworkSpec, Arrays]:
    """Return a network without the least `share` (0..1) of each layer's channels.

    Raises:
        InputError: It is several networks as one, or its encoders are not the tiny ones.
    """
    if spec.members > 1 or spec.stacked:
        raise InputError("pruned: the bundle is several networks as one; distil it to one first")
    for modality in ("image", "audio"):
        if (name := spec.encoder(modality)) != DEFAULTS[modality]:
            raise InputError(f"pruned: the {modality} encoder is {name}; only {_SMALL} is known")
    kept = {name: _strongest(weights, layer, share) for name, layer in LAYERS.items()}
    smaller = {name: array.copy() for name, array in weights.items()}
    for axis in _axes(spec):
        places = _places(axis, kept, weights)
        smaller[axis.tensor] = np.take(smaller[axis.tensor], places, axis=axis.axis)
    sizes = {**spec.sizes, _SMALL: {name: len(rows) for name, rows in kept.items()}}
    return replace(spec, sizes=sizes), smaller


def channels_left(count: int, share: float) -> int:
    """Return how many of a layer's channels stay: whole blocks, as kernels reckon them.

    >>> [channels_left(count, 0.3) for count in (12, 24, 48, 64)]
    [8, 16, 32, 48]
    """
    whole = _BLOCK * round((1.0 - share) * count / _BLOCK)
    return min(count, max(_BLOCK, whole))


def _strongest(weights: Arrays, layer: Layer, share: float) -> NDArray[np.int64]:
    """Return the channels that stay, in their order; at least one does."""
    filters = weights[layer.filter]
    norms = np.sqrt((filters.reshape(len(filters), -1) ** 2).sum(axis=1))
    strength = np.abs(weights[f"{layer.norm}.weight"]) * norms
    count = channels_left(len(strength), share)
    strongest: NDArray[np.int64] = np.sort(np.argsort(-strength, kind="stable")[:count])
    return strongest


def _axes(spec: NetworkSpec) -> list[Axis]:
    """Return every axis that channels lie along."""
    side = (spec.recipe.frame_size // 4 + 3) // 4
    cell = (spec.recipe.region_size // 8) ** 2
    bands = -(-spec.recipe.mels // 16)
    made = [
        Axis(tensor, 0, ((name, 1),))
        for name, layer in LAYERS.items()
        for tensor in (layer.filter, *(f"{layer.norm}.{part}" for part in _NORM))
    ]
    return [
        *made,
        *(Axis(tensor, 0, ((name, 1),)) for tensor, name in _DEPTHWISE.items()),
        *(Axis(tensor, 1, ((name, 1),)) for tensor, name in _NEXT.items()),
        Axis("image.frame.0.weight", 1, (("frames_grid", side * side),)),
        Axis("image.reading", 1, (("crops_grid", cell), ("crops_3", 1), ("crops_3", 1))),
        Axis("audio.tone.0.weight", 1, (("tone_4", bands),) * 3),
    ]


def _places(axis: Axis, kept: Kept, weights: Arrays) -> NDArray[np.int64]:
    """Return the places along the axis that stay."""
    parts, begin = [], 0
    for name, each in axis.blocks:
        rows = kept[name][:, None] * each + np.arange(each)[None, :]
        parts.append(begin + rows.reshape(-1))
        begin += len(weights[LAYERS[name].filter]) * each
    return np.concatenate(parts)
