"""What image processing alone sees at one scale of a picture: edges, spots, pits, roughness.

Planes are (rows, columns) in single precision. No weights: a picture and a scale are all it needs.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

COLOURED = 9
PITTED = 8
ROUGH = 2
_DARKEST = 0.05
_SMOOTHEST = 0.003


def coloured(lab: Plane, scale: float) -> list[Plane]:
    """Return the `COLOURED` planes of a picture in L*a*b*: edges, spots, colour, its change."""
    around = _around(scale)
    smooth, wide = blurred(lab, scale), blurred(lab, 1.6 * scale)
    strong, weak = _edges(smooth[..., 0], scale)
    spots = smooth - wide
    bright = blurred(np.maximum(spots[..., 0], 0), around)
    dark = blurred(np.maximum(-spots[..., 0], 0), around)
    tint = blurred(np.abs(spots[..., 1:]), around)
    colour = blurred(lab, around)
    planes = [strong, weak, bright, dark, *np.moveaxis(colour, -1, 0), *np.moveaxis(tint, -1, 0)]
    return [np.ascontiguousarray(plane, np.float32) for plane in planes]


def logged(grey: Plane) -> Plane:
    """Return the logarithm of a grey picture (0..1): in it, shade and light have equal contrast."""
    return np.asarray(np.log(grey + np.float32(_DARKEST)), np.float32)


def pitted(light: Plane, scale: float) -> list[Plane]:
    """Return the `PITTED` planes of a picture by `logged`.

    Edges again, whatever the light; dark and bright spots and lines by the two curvatures (Frangi
    et al., 1998: a spot has both, a line one); what a disc fills or shaves off (hats, Meyer 1979).
    """
    low, high = _curvatures(light, scale)
    curved = [np.maximum(sign * plane, 0) for plane in (low, high) for sign in (1, -1)]
    size = 2 * round(2 * scale) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size + 2, size + 2))
    smooth = blurred(light, max(scale / 2, 0.5))
    hats = [cv2.morphologyEx(smooth, kind, disc) for kind in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)]
    planes = [*_edges(blurred(light, scale), scale), *(blurred(p, scale) for p in curved), *hats]
    return [np.asarray(plane, np.float32) for plane in planes]


def roughness(light: Plane) -> list[Plane]:
    """Return the `ROUGH` planes of how much fine detail runs in no one direction, as logarithm."""
    return [
        np.asarray(np.log(_edges(blurred(light, scale), scale, 1.5 * scale)[1] + _SMOOTHEST))
        for scale in (1.0, 2.0)
    ]


def blurred(plane: Plane, scale: float) -> Plane:
    """Return the plane smoothed by a Gaussian of this many pixels."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), scale), np.float32)


def shrunk(plane: Plane, shape: tuple[int, int]) -> Plane:
    """Return the plane at (rows, columns), by area."""
    if plane.shape[:2] == shape:
        return plane
    return np.asarray(cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _edges(smooth: Plane, scale: float, around: float | None = None) -> tuple[Plane, Plane]:
    """Return the roots of the structure tensor's eigenvalues, the greater first."""
    around = around or _around(scale)
    across = cv2.Scharr(smooth, cv2.CV_32F, 1, 0) * np.float32(scale / 16.0)
    down = cv2.Scharr(smooth, cv2.CV_32F, 0, 1) * np.float32(scale / 16.0)
    xx, yy = blurred(across * across, around), blurred(down * down, around)
    xy = blurred(across * down, around)
    weak, strong = (np.sqrt(np.maximum(value, 0)) for value in _eigenvalues(xx, yy, xy))
    return strong, weak


def _curvatures(light: Plane, scale: float) -> tuple[Plane, Plane]:
    """Return the eigenvalues of the Hessian, the lower first; both are positive in a dark spot."""
    smooth, unit = blurred(light, scale), np.float32(scale * scale / 4.0)
    xx, yy, xy = (
        cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3) * unit for order in ((2, 0), (0, 2), (1, 1))
    )
    return _eigenvalues(xx, yy, xy)


def _eigenvalues(xx: Plane, yy: Plane, xy: Plane) -> tuple[Plane, Plane]:
    """Return those of the symmetric 2 x 2 matrix of each place, the lower first."""
    root = np.sqrt((xx - yy) ** 2 + 4 * xy * xy)
    low, high = (xx + yy - root) / 2, (xx + yy + root) / 2
    return np.asarray(low, np.float32), np.asarray(high, np.float32)


def _around(scale: float) -> float:
    return max(2.0 * scale, 2.0)
