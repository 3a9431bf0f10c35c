"""Sums of projected embeddings: plain, weighted by attention, and by a convolution."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.fusions.shape import FusionShape, Heard, Joint

NEVER = -1e4
"""A score that half precision can hold and softmax turns into 0."""


class SumFusion(Joint):
    """z = sum_i q_i relu(W_i h_i) / sqrt(n), n the number of present modalities."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, shape.width)
        self.projections = nn.ModuleList(
            nn.Linear(shape.width, shape.width) for _ in range(shape.modalities)
        )

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the sum of what is present."""
        count = heard.present.sum(1, keepdim=True).clamp(min=1.0)  # (batch, 1)
        weighed = projected(self.projections, heard) * heard.weight.unsqueeze(-1)
        return weighed.sum(1) * torch.rsqrt(count)


class WeightedSumFusion(Joint):
    """z = sum_i a_i W_i h_i, a = softmax over the present of (a_i + u_i h_i + log q_i)."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, shape.width)
        self.projections = nn.ModuleList(
            nn.Linear(shape.width, shape.width) for _ in range(shape.modalities)
        )
        self.standing = nn.Parameter(torch.zeros(shape.modalities))
        self.asking = nn.Parameter(torch.randn(shape.modalities, shape.width) * 0.01)

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the weighted mean of what is present."""
        asked = (heard.weighted * self.asking).sum(-1)  # (batch, modalities)
        score = self.standing + asked + torch.log(heard.weight.clamp(min=1e-3))
        score = torch.where(heard.present > 0, score, torch.full_like(score, NEVER))
        share = torch.softmax(score, dim=1) * heard.present  # (batch, modalities)
        return (projected(self.projections, heard) * share.unsqueeze(-1)).sum(1)


class ConvFusion(Joint):
    """A convolution along the embedding, its channels the modalities and the mean of the present.

    (batch, M + 1, width) -> kernel 3, 8 channels, GELU -> kernel 3, 1 channel.
    """

    _CHANNELS = 8

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, shape.width)
        self.net = nn.Sequential(
            nn.Conv1d(shape.modalities + 1, self._CHANNELS, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(self._CHANNELS, 1, 3, padding=1),
        )

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return what the convolution makes of the stacked embeddings."""
        count = heard.present.sum(1, keepdim=True).clamp(min=1.0)  # (batch, 1)
        mean = heard.weighted.sum(1) / count  # (batch, width)
        stacked = torch.cat([heard.weighted, mean.unsqueeze(1)], dim=1)
        z: Tensor = self.net(stacked).squeeze(1)  # (batch, width)
        return z


def projected(projections: nn.ModuleList, heard: Heard) -> Tensor:
    """Return relu(W_i h_i) of each modality, zero where absent, (batch, modalities, width)."""
    each = [torch.relu(net(heard.weighted[:, at])) for at, net in enumerate(projections)]
    return torch.stack(each, dim=1) * heard.present.unsqueeze(-1)
