"""Prior-corrected late fusion: what each modality adds to the prior, summed."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.fusions.shape import Fused, Fusion, FusionShape


class LateFusion(Fusion):
    """log p(c) = log pi_c + sum_m m_m q_m (log p_m(c) - log pi_c) (learning.md 4.4, 2).

    The evidence is additive, so what each modality said is known exactly; the trunk for the other
    heads is additive too.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.randn(shape.modalities, shape.width, shape.width))
        nn.init.normal_(self.mix, std=shape.width**-0.5)

    @override
    def forward(self, embeddings: Tensor, modal: Tensor, weight: Tensor) -> Fused:
        """Return the sum of the modalities' weighted evidence and of their mixed embeddings."""
        each = weight.unsqueeze(-1)  # (batch, modalities, 1)
        mixed = torch.bmm(embeddings.transpose(0, 1), self.mix)  # (modalities, batch, width)
        trunk = (mixed.transpose(0, 1) * each).sum(1)  # (batch, width)
        return Fused((modal * each).sum(1), trunk)
