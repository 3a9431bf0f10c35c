"""Several encoders of one modality as one, and the encoder of a modality that is left out."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.encoders.layers import ItemPool, Projection
from mmindustry.fusion.encoders.shape import Encoder
from mmindustry.fusion.items import Encoded, Items, silent


class Joined(Encoder):
    """Embeddings beside each other, and the items, which all share, joined and pooled anew."""

    def __init__(self, parts: Sequence[tuple[str, Encoder]], width: int) -> None:
        super().__init__(sum(part.feature_width for _, part in parts))
        self.parts = nn.ModuleDict(dict(parts))
        self.item = Projection(len(parts) * width, width)
        self.pool = ItemPool(width)
        self.join = nn.Sequential(nn.Linear((len(parts) + 1) * width, width), nn.LayerNorm(width))

    def part(self, name: str) -> Encoder:
        """Return the encoder of that name."""
        found = self.parts[name]
        if not isinstance(found, Encoder):
            raise TypeError(f"{name} is no encoder")
        return found

    @override
    def forward(self, arrays: Mapping[str, Tensor]) -> Encoded:
        """Return the joined embedding, items and features; the first regions there are."""
        told: list[Encoded] = [part(arrays) for part in self.parts.values()]
        mask, times = told[0].items.mask, told[0].items.times  # the same for all parts
        tokens = torch.cat([one.items.tokens for one in told], dim=-1)
        items = Items(self.item(silent(tokens, mask)), mask, times)  # (batch, items, width)
        embeddings = [one.embedding for one in told]
        joined: Tensor = self.join(torch.cat([*embeddings, self.pool(*items)], dim=-1))
        regions = next((one.regions for one in told if one.regions is not None), None)
        wide = [one.embedding if one.features is None else one.features for one in told]
        return Encoded(joined, items, regions, torch.cat(wide, dim=-1))


class Nothing(Encoder):
    """The encoder of a modality that is left out: zeros, and one masked item."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self._width = width

    @override
    def forward(self, arrays: Mapping[str, Tensor]) -> Encoded:
        """Return zeros."""
        present = arrays["present"]
        embedding = present.new_zeros((present.shape[0], self._width))
        mask = present.new_zeros((present.shape[0], 1))
        return Encoded(embedding, Items(embedding.unsqueeze(1), mask, mask))
