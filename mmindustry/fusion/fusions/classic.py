"""Two classic systems' own ways to fuse, as their papers and code have them; for presets."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.fusions.shape import Fused, Fusion, FusionShape, Heard
from mmindustry.fusion.items import silent


class _Wide(Fusion):
    """Reads the encoders' features before any projection, zero where absent."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.widths = shape.features or (shape.width,) * shape.modalities
        self.dropout = nn.Dropout(shape.dropout)
        self.out = nn.Linear(shape.width, shape.classes)

    def features(self, heard: Heard) -> list[Tensor]:
        """Return each modality's features (batch, wide), times its weight."""
        given = heard.features or (None,) * len(self.widths)
        wide = [heard.embeddings[:, at] if one is None else one for at, one in enumerate(given)]
        return [
            silent(one, heard.present[:, at]) * heard.weight[:, at : at + 1]
            for at, one in enumerate(wide)
        ]

    def answer(self, trunk: Tensor, heard: Heard) -> Fused:
        """Return what a linear layer reads from the trunk (batch, width)."""
        kept = self.dropout(trunk) * heard.there
        return Fused(self.out(kept) * heard.there, kept, heard.embeddings.new_zeros(()))


class FeatureConcat(_Wide):
    """Features beside each other, one hidden layer, classes: 2048 + 768 -> 1024 -> 10 for
    ResNet-50 and BERT at width 1024."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape)
        self.hidden = nn.Linear(sum(self.widths), shape.width)

    @override
    def forward(self, heard: Heard) -> Fused:
        """Return W2 relu(W1 [f_1 ; ... ; f_M])."""
        trunk = functional.relu(self.hidden(torch.cat(self.features(heard), dim=-1)))
        return self.answer(trunk, heard)


class ReluSum(_Wide):
    """Each modality's features projected to one width, ReLU, summed; classes from the sum."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape)
        self.projections = nn.ModuleList(nn.Linear(width, shape.width) for width in self.widths)

    @override
    def forward(self, heard: Heard) -> Fused:
        """Return W sum_m relu(W_m f_m + b_m), over present modalities."""
        projected = [
            functional.relu(net(one)) * (heard.weight[:, at : at + 1] > 0)
            for at, (net, one) in enumerate(
                zip(self.projections, self.features(heard), strict=True)
            )
        ]
        return self.answer(torch.stack(projected).sum(0), heard)
