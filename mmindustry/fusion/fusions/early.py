"""Early fusion: items of all modalities laid side by side in time, then read in order."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.fusions.shape import FusionShape, Heard, Joint
from mmindustry.fusion.items import Items

_BINS = 8


class EarlyFusion(Joint):
    """The window in eight equal parts, each the mean of every modality's items and whether there
    were any, read by a gated recurrent unit; z is its last state.

    What is older than the window (log entries) counts to the first part.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, shape.width)
        self.cell = nn.GRUCell(shape.modalities * (shape.width + 1), shape.width)

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the state after the newest part."""
        parts = [
            binned(items, heard.weight[:, at]) for at, items in enumerate(heard.present_items())
        ]  # M x (batch, 8, width + 1)
        joined = torch.cat(parts, dim=-1)  # (batch, 8, M * (width + 1))
        state = joined.new_zeros((joined.shape[0], self.shape.width))
        for part in range(_BINS):
            state = self.cell(joined[:, part], state)
        return state


def binned(items: Items, weight: Tensor) -> Tensor:
    """Return each part's mean item and a 1 where there is one, (batch, 8, width + 1)."""
    place = torch.floor((items.times.clamp(-1.0, 0.0) + 1.0) * _BINS).clamp(max=_BINS - 1)
    numbers = torch.arange(_BINS, device=place.device, dtype=place.dtype)
    inside = (place.unsqueeze(1) == numbers.reshape(1, -1, 1)).to(place.dtype)  # (batch, 8, items)
    inside = inside * items.mask.unsqueeze(1)
    count = inside.sum(-1, keepdim=True)  # (batch, 8, 1)
    mean = torch.matmul(inside, items.tokens) / count.clamp(min=1.0)  # (batch, 8, width)
    return torch.cat([mean * weight.reshape(-1, 1, 1), count.clamp(max=1.0)], dim=-1)
