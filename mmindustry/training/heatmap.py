"""Teaching the heat map network from pictures with masks, and what it is worth on others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmindustry.errors import InputError
from mmindustry.fusion.heatmap import HeatmapNetwork, heatmap_loss
from mmindustry.fusion.heatmap_runtime import Heat, Pictures, planes
from mmindustry.fusion.patches import picture_score
from mmindustry.training.pixels import aupimo, average_precision_of, pixel_counts
from mmindustry.training.real.rounds import interval
from mmindustry.training.scores import auroc

Tell = Callable[[str], None]
Rows = NDArray[np.int64]

_DRAWS = 300
_LEAST_PICTURES = 2
_CLIP = 5.0
_WARM_UP = 0.2


@dataclass(frozen=True, slots=True)
class Masked:
    """Square RGB pictures (n, side, side, 3), where each defect is (n, side, side), and for each
    picture the group it may not be torn from (a machine) and the name of its defect, `good` or
    `empty`."""

    pictures: Pictures
    masks: NDArray[np.bool_]
    groups: NDArray[np.str_]
    states: NDArray[np.str_]

    def __getitem__(self, rows: Rows | NDArray[np.bool_]) -> Self:
        """Return some of the pictures."""
        return type(self)(
            self.pictures[rows], self.masks[rows], self.groups[rows], self.states[rows]
        )

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.pictures)

    @property
    def defective(self) -> NDArray[np.bool_]:
        """Which pictures show a defect."""
        return np.asarray(self.masks.any(axis=(1, 2)), np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatmapPlan:
    """How the network learns; nothing of it is chosen by looking at the pictures kept apart."""

    epochs: int = 10
    """Passes over the pictures."""
    batch: int = 16
    """Pictures a step."""
    rate: float = 6e-3
    """Highest learning rate (AdamW, one cycle)."""
    weight_decay: float = 1e-2
    """Of AdamW."""
    light: float = 0.2
    """Standard deviation of the logarithm of contrast, drawn for each colour of each picture."""
    seed: int = 7
    """Of weights, order and augmentation."""


def fit_heatmap(known: Masked, plan: HeatmapPlan, tell: Tell) -> HeatmapNetwork:
    """Return a network that learned from pictures with masks; the same plan gives the same.

    Raises:
        InputError: There are fewer than two pictures, or none shows a defect.
    """
    if len(known) < _LEAST_PICTURES or not known.masks.any():
        raise InputError(
            f"{len(known)} pictures, {int(known.defective.sum())} with a defect: a heat map is "
            "learned from two pictures at least, one of them with a mask"
        )
    random = np.random.default_rng(plan.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        network = HeatmapNetwork()
    steps = plan.epochs * len(_dealt(len(known), plan.batch, random))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=plan.rate, weight_decay=plan.weight_decay, fused=True
    )
    pace = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.rate, total_steps=steps, pct_start=_WARM_UP
    )
    for epoch in range(plan.epochs):
        losses = []
        for rows in _dealt(len(known), plan.batch, random):
            pictures, masks = _varied(known[rows], plan.light, random)
            losses.append(_step(network, optimizer, heatmap_loss(network(pictures), masks)))
            pace.step()
        tell(f"epoch {epoch + 1} of {plan.epochs}: loss {np.mean(losses):.4f}")
    return network.eval()


def heat_figures(kept: Masked, heat: Heat) -> dict[str, Any]:
    """Return what heat is worth on pictures: pixels and pictures, with intervals over groups.

    Args:
        kept: Pictures that took no part in what made the heat.
        heat: (n, side, side); higher is more likely a defect.
    """
    names = np.unique(kept.groups)
    low, high = float(heat.min()), float(heat.max()) + 1e-6
    counts = np.array(
        [
            pixel_counts(heat[kept.groups == name], kept.masks[kept.groups == name], low, high)
            for name in names
        ]
    )
    scores = np.array([picture_score(one) for one in heat])
    bad = kept.defective
    rows = [np.flatnonzero(kept.groups == name) for name in names]

    def told(drawn: Rows) -> float:
        chosen = np.concatenate([rows[k] for k in drawn])
        return auroc(scores[chosen], bad[chosen])

    def found(drawn: Rows) -> float:
        return average_precision_of(counts[drawn].sum(axis=0))

    return {
        "pixel_ap": average_precision_of(counts.sum(axis=0)),
        "pixel_ap_interval": interval(found, len(names), draws=_DRAWS),
        "aupimo": _mean_aupimo(kept, heat, bad),
        "image_auroc": auroc(scores, bad),
        "image_auroc_interval": interval(told, len(names), draws=_DRAWS),
    }


def control_heats(known: Masked, kept: Masked, seed: int) -> Mapping[str, Heat]:
    """Return heat that knows nothing of defects: what any figure must be read against.

    `brightness`: each pixel's grey, light or dark, whichever way is the better one on the pictures
    learned from; `place`: how often a defect was there; `random`: noise.
    """
    grey = kept.pictures.mean(axis=3, dtype=np.float32)
    known_grey = known.pictures.mean(axis=3, dtype=np.float32)
    light = average_precision_of(pixel_counts(known_grey, known.masks, 0.0, 256.0))
    dark = average_precision_of(pixel_counts(-known_grey, known.masks, -256.0, 0.0))
    usual = known.masks.mean(axis=0, dtype=np.float32)
    noise = np.random.default_rng(seed).random(grey.shape, np.float32)
    return {
        "brightness": grey if light >= dark else -grey,
        "place": np.broadcast_to(usual, grey.shape),
        "random": noise,
    }


def precision_by_state(kept: Masked, heat: Heat) -> dict[str, float]:
    """Return the pixel average precision of each defect among its pictures and those of none."""
    low, high = float(heat.min()), float(heat.max()) + 1e-6
    found = {}
    for state in np.unique(kept.states[kept.defective]):
        rows = (kept.states == state) | ~kept.defective
        counts = pixel_counts(heat[rows], kept.masks[rows], low, high)
        found[str(state)] = average_precision_of(counts)
    return found


def _mean_aupimo(kept: Masked, heat: Heat, bad: NDArray[np.bool_]) -> float:
    if not bad.any() or bad.all():
        return float("nan")
    return float(np.mean(aupimo(list(heat[~bad]), list(heat[bad]), list(kept.masks[bad]))))


def _step(network: HeatmapNetwork, optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch ships it so
    torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
    optimizer.step()
    return float(loss.detach())


def _dealt(count: int, batch: int, random: np.random.Generator) -> list[Rows]:
    """Return all rows in parts of about `batch`, none of them of one picture."""
    parts = max(1, count // batch)
    return [part for part in np.array_split(random.permutation(count), parts) if len(part) > 1]


def _varied(part: Masked, light: float, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return planes and masks, each picture turned over at random and in another light."""
    pictures, masks = planes(part.pictures), part.masks[:, None].astype(np.float32)
    for k in range(len(part)):
        sides, down = random.random(2) < 0.5  # noqa: PLR2004 - a coin
        turn = slice(None, None, -1 if down else 1), slice(None, None, -1 if sides else 1)
        pictures[k], masks[k] = pictures[k][:, *turn].copy(), masks[k][:, *turn].copy()
    gain = np.exp(random.normal(0, light, (len(part), 3, 1, 1))).astype(np.float32)
    lit = (pictures * gain).clip(0, 1)
    return torch.from_numpy(lit), torch.from_numpy(masks)
