"""Late fusion with a correction for what modalities say only together."""

import torch
from torch import nn
from typing_extensions import override

from mmindustry.fusion.fusions.late import LateFusion
from mmindustry.fusion.fusions.shape import Fused, Fusion, FusionShape, Heard
from mmindustry.fusion.items import silent


class ResidualFusion(Fusion):
    """evidence = late + MLP(h_1 .. h_M), zero at first; the encoders don't learn from it.

    A second opinion on frozen embeddings: it starts as late fusion exactly and is worth keeping
    only where grouped cross-validation shows a gain.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.late = LateFusion(shape)
        self.net = nn.Sequential(
            nn.Linear(shape.modalities * (shape.width + 1), shape.width),
            nn.GELU(),
            nn.Dropout(shape.dropout),
        )
        self.out = nn.Linear(shape.width, shape.classes)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @override
    def forward(self, heard: Heard) -> Fused:
        """Return late fusion's answer, its evidence corrected where two or more are present."""
        late: Fused = self.late(heard)
        frozen = silent(heard.embeddings.detach(), heard.present) * heard.weight.unsqueeze(-1)
        joined = torch.cat([frozen.flatten(1), heard.weight], dim=-1)
        together = (heard.weight > 0).sum(1, keepdim=True) > 1  # (batch, 1)
        change = self.out(self.net(joined)) * together.to(joined.dtype)  # (batch, classes)
        return Fused(late.evidence + change, late.trunk, late.loss)
