"""Concatenation: the standing challenger of late fusion."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.fusions.shape import FusionShape, Heard, Joint


class ConcatFusion(Joint):
    """z = GELU(W [h_1 .. h_M ; m q])."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, 2 * shape.width)
        self.net = nn.Sequential(
            nn.Linear(shape.modalities * (shape.width + 1), 2 * shape.width),
            nn.GELU(),
            nn.Dropout(shape.dropout),
        )

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return z of all embeddings at once."""
        joined = torch.cat([heard.weighted.flatten(1), heard.weight], dim=-1)
        z: Tensor = self.net(joined)
        return z
