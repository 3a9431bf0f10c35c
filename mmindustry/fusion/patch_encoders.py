"""Pictures -> feature maps at three strides, without and with a pretrained network.

`builtin` is image processing alone: no weights, no torch. `efficientnet-lite0` needs the extras
`torch` and `weights`. `pixels` is the control: what no features at all can do.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError, MissingExtra
from mmindustry.fusion.texture import (
    COLOURED,
    PITTED,
    ROUGH,
    Plane,
    blurred,
    coloured,
    logged,
    pitted,
    roughness,
    shrunk,
)

Picture = NDArray[np.uint8]
Levels = tuple[Plane, ...]
"""Feature maps (rows, columns, channels), finest first."""

STRIDES = (4, 8, 16)
"""Pixels a cell of each level stands for."""
ENCODERS = ("builtin", "efficientnet-lite0", "pixels")


class PatchEncoder(Protocol):
    """What turns a picture into feature maps."""

    @property
    def name(self) -> str:
        """Of `ENCODERS`."""
        ...

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        ...

    def maps(self, picture: Picture) -> Levels:
        """Return maps of a BGR picture whose sides are multiples of 16, at `STRIDES`."""
        ...


def patch_encoder(name: str) -> PatchEncoder:
    """Return the encoder of a name.

    Raises:
        InputError: There is none of that name.
        MissingExtra: It needs an extra that is not installed.
    """
    if name not in ENCODERS:
        raise InputError(f"encoder {name!r}: give one of {', '.join(ENCODERS)}")
    if name == "efficientnet-lite0":
        if find_spec("torch") is None:
            raise MissingExtra(f"{name}: needs torch; install mmindustry with 'torch,weights'")
        from mmindustry.fusion.lite0_patches import Lite0Patches  # noqa: PLC0415 - torch, on demand

        return Lite0Patches()
    return Texture() if name == "builtin" else Pixels()


class Texture:
    """Edges, spots, pits, roughness and colour at six scales, two a level.

    At each scale: the two eigenvalues of the structure tensor (Förstner and Gülch, 1987: an edge
    has one, a corner two), in lightness and in its logarithm; bright and dark spots by difference
    of Gaussians (Lowe, 2004), by curvature and by hats; colour, and change of colour; how rough
    the finest detail around is.
    """

    name = "builtin"
    widths = (2 * (COLOURED + PITTED + ROUGH),) * 3
    _SCALES = ((1.0, 2.0), (4.0, 8.0), (16.0, 32.0))

    def maps(self, picture: Picture) -> Levels:
        """Return maps of 38 channels a level."""
        plain = _plain(picture)
        lab = np.asarray(cv2.cvtColor(plain, cv2.COLOR_BGR2LAB), np.float32) / np.float32(100)
        light = logged(np.asarray(cv2.cvtColor(plain, cv2.COLOR_BGR2GRAY), np.float32))
        rough = roughness(light)
        levels = []
        for stride, scales in zip(STRIDES, self._SCALES, strict=True):
            shrink = stride // 4  # what a coarse scale sees is smooth: it is looked at coarsely
            size = lab.shape[0] // shrink, lab.shape[1] // shrink
            small, shade, grain = shrunk(lab, size), shrunk(light, size), _all_at(rough, size)
            planes = []
            for scale in (scale / shrink for scale in scales):
                planes += [*coloured(small, scale), *pitted(shade, scale)]
                planes += [blurred(plane, 2 * scale) for plane in grain]
            shape = picture.shape[0] // stride, picture.shape[1] // stride
            levels.append(np.stack(_all_at(planes, shape), axis=-1))
        return tuple(levels)


class Pixels:
    """The control: the mean colour of each cell."""

    name = "pixels"
    widths = (3, 3, 3)

    def maps(self, picture: Picture) -> Levels:
        """Return the picture itself at each stride."""
        plain = _plain(picture)
        rows, columns = picture.shape[:2]
        return tuple(shrunk(plain, (rows // stride, columns // stride)) for stride in STRIDES)


def joined(levels: Levels, at: int) -> Plane:
    """Return all levels as one map on the grid of level `at`, each locally averaged (3 x 3).

    Averaging over neighbours makes a patch aware of its surroundings (Roth et al., 2022).
    """
    rows, columns = levels[at].shape[:2]
    return np.concatenate([_resized(_local(m), (rows, columns)) for m in levels], axis=-1)


def _all_at(planes: Sequence[Plane], shape: tuple[int, int]) -> list[Plane]:
    return [shrunk(plane, shape) for plane in planes]


def _plain(picture: Picture) -> Plane:
    return np.asarray(picture / np.float32(255.0), np.float32)


def _local(plane: Plane) -> Plane:
    return np.asarray(cv2.blur(plane, (3, 3)), np.float32)


def _resized(plane: Plane, shape: tuple[int, int]) -> Plane:
    if plane.shape[:2] == shape:
        return plane
    coarser = plane.shape[0] < shape[0]
    method = cv2.INTER_LINEAR if coarser else cv2.INTER_AREA
    parts = [  # OpenCV takes some methods for four channels at most
        cv2.resize(np.ascontiguousarray(plane[..., at : at + 4]), shape[::-1], interpolation=method)
        for at in range(0, plane.shape[2], 4)
    ]
    return np.concatenate([part.reshape(*shape, -1) for part in parts], axis=-1)
