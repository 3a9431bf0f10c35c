"""How damage grows: photographs of wearing surfaces against what the simulator draws.

Sizes can't be compared, shapes can: with the area a share of its largest and time a share of what
lies between first being seen and the last picture, area = time ** exponent. An exponent of one is
growth at an even rate, below it early growth, above it late growth.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmindustry.domain import Modality
from mmindustry.errors import InputError
from mmindustry.simulate.difficulty import Difficulty
from mmindustry.simulate.faults import CATALOGUE, draw_decay, visible
from mmindustry.simulate.seeds import generator
from mmindustry.training.real.photographs import Photograph, find_photographs

_SEEN = 0.05
"""Share of its largest area from which damage counts as seen."""
_FEWEST = 10
_SIDE = 256
_LIVES = 60
_MOMENTS = 70


def exponent(areas: Sequence[float]) -> float:
    """Return how an area grew over evenly spaced moments; NaN of one that never was.

    Read from the mean alone (of t ** p over 0..1 it is 1 / (p + 1)), time counted from when the
    area is first seen.

    >>> round(exponent([0.0, 0.0, *np.linspace(0.05, 1, 2000)]), 1)
    0.9
    """
    whole = np.asarray(areas, np.float64)
    if not len(whole) or whole.max() <= 0:
        return float("nan")
    share = whole / whole.max()
    return float(1 / share[int(np.argmax(share >= _SEEN)) :].mean() - 1)


def real_growth(data: Path) -> float | None:
    """Return the median exponent of a folder's sequences of photographs; None where it holds none
    that show damage ten times or more.

    Raises:
        InputError: A label can't be read.
    """
    folder = data / "images"
    if not folder.is_dir():
        return None
    try:
        photographs = find_photographs(folder)
    except InputError:
        return None
    sequences: dict[str, list[Photograph]] = {}
    for one in photographs:
        sequences.setdefault(one.sequence, []).append(one)
    areas = [[float(p.mask(_SIDE, _SIDE).mean()) for p in each] for each in sequences.values()]
    found = [exponent(one) for one in areas if np.count_nonzero(one) >= _FEWEST]
    return float(np.median(found)) if found else None


def simulated_growth(card: Difficulty) -> dict[str, float]:
    """Return median exponents over many lives: `leak` of the puddle, whose drawn area grows evenly
    with what the picture shows; `bearing` of the severity of a bearing's damage, which the camera
    does not draw as an area."""
    shares = np.linspace(0.0, 1.0, _MOMENTS)
    found: dict[str, list[float]] = {"leak": [], "bearing": []}
    for number in range(_LIVES):
        lives = {
            name: draw_decay(CATALOGUE[fault], generator(card.seed, "growth", name, number))
            for name, fault in (("leak", "seal_leak"), ("bearing", "bearing_outer"))
        }
        told = {name: [life.severity_at(float(t)) for t in shares] for name, life in lives.items()}
        shown = [visible("seal_leak", Modality.IMAGE, severity) for severity in told["leak"]]
        found["leak"].append(exponent(shown))
        found["bearing"].append(exponent(told["bearing"]))
    return {name: float(np.median(each)) for name, each in found.items()}
