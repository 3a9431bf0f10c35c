"""What normal patches look like, and how far each patch of a picture is from that (numpy only).

After PatchCore (Roth et al., CVPR 2022): locally aware features, a k-centre core-set of bounded
size, distance to the nearest of it; here over the local spread of the bank, as learning.md 4.6
has it for all banks, which also does what PatchCore's re-weighting is for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.patch_encoders import Levels, joined
from mmindustry.fusion.texture import Plane, blurred

_PROJECTED = 64
_POOL = 12_000
SCORED_SHARE = 0.005
"""Share of a picture's cells that it is scored by where nothing else is said."""
DRAWN_SHARE = 0.0003
"""The same where drawn defects taught: damage may be far smaller than a picture."""
_SMOOTH_CELLS = 1.0
_BLOCK = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchBank:
    """Patches of normal pictures: immutable arrays, as a profile keeps them.

    `centre`, `scale` (channels,): features are taken minus the one, over the other; `patches`
    (kept, channels) the core-set; `spread` (kept,) each one's mean distance to its neighbours in
    the bank; `level` the level whose grid the maps have.
    """

    centre: Plane
    scale: Plane
    patches: Plane
    spread: Plane
    level: int

    def heat(self, levels: Levels) -> Plane:
        """Return how strange each cell of a picture is, shape (rows, columns) of the level."""
        features = joined(levels, self.level)
        rows, columns, channels = features.shape
        strange = self.distances(features.reshape(-1, channels)).reshape(rows, columns)
        return smooth(strange)

    def distances(self, features: Plane) -> Plane:
        """Return each patch's distance to its nearest in the bank, in units of the bank's spread.

        Args:
            features: (n, channels) as `joined` gives them.
        """
        found = np.empty(len(features), np.float32)
        middle = np.float32(np.median(self.spread))
        over = (self.spread + middle) / 2  # shrunk: a lone patch must not excuse all near it
        for begin in range(0, len(features), _BLOCK):
            part = (features[begin : begin + _BLOCK] - self.centre) / self.scale
            squares = _squares(part, self.patches)
            nearest = squares.argmin(axis=1)
            near = np.sqrt(squares[np.arange(len(part)), nearest])
            found[begin : begin + _BLOCK] = near / over[nearest]
        return found


def grow_bank(
    pictures: Sequence[Levels], *, level: int = 1, kept: int = 1_000, seed: int = 7
) -> PatchBank:
    """Return the bank of normal pictures' levels.

    Args:
        pictures: Of normal products; at least one.
        level: Whose grid the patches stand on.
        kept: Patches in the core-set at most: memory is bounded by it.
        seed: Of what is drawn; the same seed gives the same bank.

    Raises:
        ValueError: No picture is given, or `kept` is below 2.
    """
    if not pictures or kept < 2:  # noqa: PLR2004 - one patch has no neighbour
        raise ValueError("a bank needs one normal picture and room for two patches at least")
    random = np.random.default_rng(seed)
    share = max(1, -(-_POOL // len(pictures)))
    pool = np.concatenate([_drawn(joined(found, level), share, random) for found in pictures])
    centre, scale = _standard(pool, [found.shape[2] for found in pictures[0]])
    pool = (pool - centre) / scale
    core = pool[core_set(pool, min(kept, len(pool)), random)]
    return PatchBank(centre=centre, scale=scale, patches=core, spread=_spread(core), level=level)


def core_set(rows: Plane, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return the indices of `count` rows that cover all others best, greedily.

    Each next is the farthest from those chosen, at most twice the best radius (Gonzalez, 1985);
    distances are taken in a random projection (Johnson and Lindenstrauss, 1984).
    """
    width = rows.shape[1]
    if width > _PROJECTED:
        turn = random.standard_normal((width, _PROJECTED)).astype(np.float32)
        rows = rows @ (turn / np.float32(np.sqrt(_PROJECTED)))
    length = (rows**2).sum(axis=1)
    chosen = np.empty(count, np.int64)
    chosen[0] = int(random.integers(len(rows)))
    away = np.full(len(rows), np.inf, np.float32)
    for number in range(1, count):
        last = chosen[number - 1]
        np.minimum(away, length - 2 * (rows @ rows[last]) + length[last], out=away)
        chosen[number] = int(away.argmax())
    return chosen


def smooth(heat: Plane) -> Plane:
    """Return the heat of cells smoothed over a cell: one hot cell alone is seldom a defect."""
    return blurred(heat, _SMOOTH_CELLS)


def picture_score(heat: Plane, share: float = SCORED_SHARE) -> float:
    """Return how strange a whole picture is: the mean of this share of its strangest cells."""
    count = max(1, round(share * heat.size))
    return float(np.partition(heat.ravel(), -count)[-count:].mean())


def heat_picture(heat: Plane, rows: int, columns: int) -> Plane:
    """Return the heat at a picture's size, smooth between cells."""
    return np.asarray(cv2.resize(heat, (columns, rows), interpolation=cv2.INTER_CUBIC), np.float32)


def _drawn(features: Plane, count: int, random: np.random.Generator) -> Plane:
    rows = features.reshape(-1, features.shape[2])
    if len(rows) <= count:
        return rows
    return np.asarray(rows[random.choice(len(rows), count, replace=False)], np.float32)


def _standard(pool: Plane, widths: Sequence[int]) -> tuple[Plane, Plane]:
    """Return centre and scale; every level weighs the same, whatever its channels."""
    centre, spread = pool.mean(axis=0), pool.std(axis=0)
    floor = np.float32(1e-3) * max(float(spread.max()), 1e-6)
    weight = np.repeat(np.sqrt(np.array(widths, np.float32)), widths)
    return centre.astype(np.float32), ((spread + floor) * weight).astype(np.float32)


def _spread(core: Plane) -> Plane:
    squares = _squares(core, core)
    near = min(8, len(core) - 1)
    close = np.sort(squares, axis=1)[:, 1 : near + 1]
    return np.asarray(np.sqrt(close).mean(axis=1) + np.float32(1e-6), np.float32)


def _squares(rows: Plane, others: Plane) -> Plane:
    squares = (rows**2).sum(axis=1)[:, None] - 2 * (rows @ others.T) + (others**2).sum(axis=1)
    return np.asarray(np.maximum(squares, 0), np.float32)
