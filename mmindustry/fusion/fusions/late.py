"""Prior-corrected late fusion: what each modality adds to the prior, summed."""

import torch
from torch import nn
from typing_extensions import override

from mmindustry.fusion.fusions.shape import Fused, Fusion, FusionShape, Heard
from mmindustry.fusion.items import silent


class LateFusion(Fusion):
    """log p(c) = log pi_c + sum_m m_m q_m (log p_m(c) - log pi_c).

    The evidence is additive, so what each modality said is known exactly; the trunk for the other
    heads is additive too. Of a pooled network the modal evidence comes weighed.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.randn(shape.modalities, shape.width, shape.width))
        nn.init.normal_(self.mix, std=shape.width**-0.5)

    @override
    def forward(self, heard: Heard) -> Fused:
        """Return the sum of the modalities' weighted evidence and of their mixed embeddings."""
        each = heard.weight.unsqueeze(-1)  # (batch, modalities, 1)
        embeddings = silent(heard.embeddings, heard.present)
        mixed = torch.bmm(embeddings.transpose(0, 1), self.mix)  # (modalities, batch, width)
        trunk = (mixed.transpose(0, 1) * each).sum(1)  # (batch, width)
        evidence = (silent(heard.modal, heard.present) * each).sum(1)  # (batch, classes)
        return Fused(evidence, trunk, trunk.new_zeros(()))
