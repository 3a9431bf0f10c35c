"""A small head on frozen feature maps: which cells show damage. Learned from drawn masks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from mmindustry.fusion.patch_encoders import STRIDES, Levels
from mmindustry.fusion.texture import Plane
from mmindustry.fusion.weights import Arrays, arrays_of, fill

HIDDEN = 64
EPOCHS = 6
WEIGHT_DECAY = 1e-2
NEGATIVES = 300
HARD = 100
COVERED = 0.25
_BATCH = 1_024
_RATE = 4e-3
_SIDE = 5
_LOOKED_EVERY = 2

Cells = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Cells drawn from one picture: features (n, channels) in half precision, damaged or not."""

    features: NDArray[np.float16]
    damaged: NDArray[np.bool_]


def draw_rows(levels: Levels, share: Plane, random: np.random.Generator) -> Rows:
    """Return all damaged cells of a picture and `NEGATIVES` others, none close to damage.

    Args:
        levels: Of the picture.
        share: (rows, columns) of the finest level: how much of each cell is damaged, 0..1.
        random: What the others are drawn by.
    """
    least = min(COVERED, float(share.max())) if share.any() else 2.0
    inside = np.argwhere(share >= least)
    outside = random.integers((0, 0), share.shape, (NEGATIVES, 2))
    outside = outside[~_close(share)[outside[:, 0], outside[:, 1]]]
    cells = np.concatenate([inside, outside])
    damaged = np.arange(len(cells)) < len(inside)
    return Rows(at_cells(levels, cells).astype(np.float16), damaged)


def hard_rows(head: "PatchHead", levels: Levels, share: Plane) -> Rows:
    """Return the `HARD` cells of a picture that a head wrongly takes most for damage.

    Most sound cells teach nothing more; these are what a picture would be taken for damaged by
    (Sung and Poggio, 1998). Every second row and column is looked at, and nothing close to damage.

    Args:
        head: Learned without them.
        levels: Of the picture.
        share: As for `draw_rows`.
    """
    cells = np.argwhere(~_close(share))
    cells = cells[(cells % _LOOKED_EVERY == 0).all(axis=1)]
    hardest = np.argsort(head.logits(levels, cells), kind="stable")[-HARD:]
    features = at_cells(levels, cells[hardest]).astype(np.float16)
    return Rows(features, np.zeros(len(features), np.bool_))


def at_cells(levels: Levels, cells: Cells) -> Plane:
    """Return the features (n, channels) of cells (n, 2) of the finest level, from all levels."""
    found = []
    for level, stride in zip(levels, STRIDES, strict=True):
        down = np.minimum(cells // (stride // STRIDES[0]), np.array(level.shape[:2]) - 1)
        found.append(level[down[:, 0], down[:, 1]])
    return np.concatenate(found, axis=1).astype(np.float32)


class PatchHead:
    """Two layers on standardised features; `heat` gives logits."""

    def __init__(self, net: nn.Module, centre: Plane, scale: Plane) -> None:
        self._net, self._centre, self._scale = net, centre, scale

    def arrays(self) -> Arrays:
        """Return all it knows, for a file."""
        return {"centre": self._centre, "scale": self._scale, **arrays_of(self._net)}

    @classmethod
    def of(cls, arrays: Mapping[str, Plane]) -> "PatchHead":
        """Return what `arrays` told.

        Raises:
            BundleError: They are no head's.
        """
        net = _layers(len(arrays["centre"]))
        own = ("centre", "scale")
        fill(net, {name: array for name, array in arrays.items() if name not in own})
        return cls(net.eval(), arrays["centre"], arrays["scale"])

    def heat(self, levels: Levels) -> Plane:
        """Return the logit of damage of every cell, shape (rows, columns) of the finest level."""
        rows, columns = levels[0].shape[:2]
        return self.logits(levels, np.indices((rows, columns)).reshape(2, -1).T).reshape(
            rows, columns
        )

    def logits(self, levels: Levels, cells: Cells) -> Plane:
        """Return the logit of damage of cells (n, 2) of the finest level, shape (n,)."""
        features = (at_cells(levels, cells) - self._centre) / self._scale
        with torch.inference_mode():
            logits: Plane = self._net(torch.from_numpy(features))[:, 0].numpy()
        return logits


def fit_head(parts: list[Rows], *, seed: int = 7) -> PatchHead:
    """Return a head learned from pictures' cells.

    Each damaged picture weighs as the root of its damaged cells: a large pit has more of them
    than a small one, not as many times more to teach.

    Raises:
        ValueError: No cell is damaged.
    """
    features = np.concatenate([part.features for part in parts])
    damaged = np.concatenate([part.damaged for part in parts])
    if not damaged.any():
        raise ValueError("no damaged cell to learn from")
    weight = np.concatenate([_weights(part) for part in parts])
    centre = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = features.std(axis=0, dtype=np.float64).astype(np.float32) + np.float32(1e-3)
    torch.manual_seed(seed)
    net = _layers(features.shape[1])

    def loss_of(chosen: Cells) -> torch.Tensor:
        seen = torch.from_numpy((features[chosen].astype(np.float32) - centre) / scale)
        truth = torch.from_numpy(damaged[chosen].astype(np.float32))
        told = torch.from_numpy(weight[chosen])
        return functional.binary_cross_entropy_with_logits(net(seen)[:, 0], truth, weight=told)

    _descend(net, loss_of, len(features), np.random.default_rng(seed))
    return PatchHead(net.eval(), centre, scale)


def _layers(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(0.2), nn.Linear(HIDDEN, 1))


def _descend(
    net: nn.Module,
    loss_of: Callable[[Cells], torch.Tensor],
    count: int,
    random: np.random.Generator,
) -> None:
    steps = -(-count // _BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _RATE, total_steps=EPOCHS * steps, pct_start=0.2
    )
    for _ in range(EPOCHS):
        for chosen in np.array_split(random.permutation(count), steps):
            optimiser.zero_grad()
            loss_of(chosen).backward()  # type: ignore[no-untyped-call]  # torch
            optimiser.step()
            schedule.step()


def _weights(part: Rows) -> Plane:
    count = max(1, int(part.damaged.sum()))
    return np.where(part.damaged, np.sqrt(30.0 / count), 1.0).astype(np.float32)


def _close(share: Plane) -> NDArray[np.bool_]:
    """Return the cells near damage: whether they are damaged is a matter of the pen."""
    inside = torch.from_numpy((share > 0).astype(np.float32))[None, None]
    near = functional.max_pool2d(inside, _SIDE, 1, _SIDE // 2)
    return np.asarray(near[0, 0].numpy() > 0)
