"""Concatenation: the standing challenger, the only one of the two that can see interaction."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.fusions.shape import Fused, Fusion, FusionShape


class ConcatFusion(Fusion):
    """z = MLP([h_1 .. h_M ; m q]), evidence = W z, zero where nothing is present."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(shape.modalities * (shape.width + 1), 2 * shape.width),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(2 * shape.width, shape.width),
            nn.GELU(),
        )
        self.out = nn.Linear(shape.width, shape.classes)

    @override
    def forward(self, embeddings: Tensor, modal: Tensor, weight: Tensor) -> Fused:
        """Return evidence from all embeddings at once; `modal` is not read."""
        weighted = embeddings * weight.unsqueeze(-1)  # (batch, modalities, width)
        joined = torch.cat([weighted.flatten(1), weight], dim=-1)  # (batch, M * (width + 1))
        there = (weight.sum(1, keepdim=True) > 0).to(joined.dtype)  # (batch, 1)
        trunk = self.net(joined) * there  # (batch, width)
        return Fused(self.out(trunk) * there, trunk)
