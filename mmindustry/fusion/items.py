"""Items of one modality within a window, as the encoders hand them on. Needs the torch extra."""

from typing import NamedTuple

import torch
from torch import Tensor


class Items(NamedTuple):
    """Frames, segments or entries, newest last, each with its place in time."""

    tokens: Tensor  # (batch, items, width)
    mask: Tensor  # (batch, items): above 0 = there
    times: Tensor  # (batch, items): 0 = end of the window, below 0 = before

    def where(self, present: Tensor) -> "Items":
        """Return the items, masked and zero where `present` (batch, 1) is 0 or the mask is."""
        mask = torch.where((present > 0) & (self.mask > 0), 1.0, 0.0).to(self.tokens.dtype)
        times = torch.where(mask > 0, self.times, torch.zeros_like(self.times))
        return Items(silent(self.tokens, mask), mask, times)


class Encoded(NamedTuple):
    """What an encoder says of a window's modality."""

    embedding: Tensor  # (batch, width)
    items: Items
    regions: Tensor | None = None  # (batch, regions, region width): close-ups, of pictures only
    features: Tensor | None = None  # (batch, wide): mean over items before any projection


def silent(values: Tensor, mask: Tensor) -> Tensor:
    """Return `values` (..., width) with zeros where `mask` (...) is 0, whatever stood there."""
    return torch.where(mask.unsqueeze(-1) > 0, values, torch.zeros_like(values))
