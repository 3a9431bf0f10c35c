"""Alignment: modalities brought to one space, where those of a window lie together."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.fusions.shape import FusionShape, Heard, Joint, pairs_of

_EPS = 1e-3


class AlignmentFusion(Joint):
    """z = [mean of normalised P_i h_i ; sum of R_i h_i], trained beside its answer by InfoNCE.

    The loss is symmetric over every pair of modalities present in two windows or more
    (van den Oord et al., 2018; temperature learned as in CLIP, Radford et al., 2021). Windows that
    are too alike to be told apart (same machine and time, same state) are no negatives.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, 2 * shape.width)
        self.shared = nn.ModuleList(
            nn.Linear(shape.width, shape.width) for _ in range(shape.modalities)
        )
        self.private = nn.ModuleList(
            nn.Linear(shape.width, shape.width) for _ in range(shape.modalities)
        )
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def aligned(self, heard: Heard) -> Tensor:
        """Return each modality in the shared space, length 1, zero where absent."""
        each = [net(heard.weighted[:, at]) for at, net in enumerate(self.shared)]
        spread = functional.normalize(torch.stack(each, dim=1), dim=-1, eps=_EPS)
        return spread * heard.present.unsqueeze(-1)  # (batch, modalities, width)

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the shared mean and the private sum."""
        count = heard.present.sum(1, keepdim=True).clamp(min=1.0)
        shared = self.aligned(heard).sum(1) / count  # (batch, width)
        each = [net(heard.weighted[:, at]) for at, net in enumerate(self.private)]
        private = (torch.stack(each, dim=1) * heard.present.unsqueeze(-1)).sum(1)
        return torch.cat([shared, private], dim=-1)

    @override
    def own_loss(self, heard: Heard) -> Tensor:
        """Return the mean InfoNCE over pairs of modalities, in nats; only in training."""
        if not self.training:
            return heard.embeddings.new_zeros(())
        aligned = self.aligned(heard)
        alike = heard.alike
        if alike is None:
            alike = torch.zeros((len(aligned), len(aligned)), dtype=torch.bool)
        losses = [
            self._contrast(
                aligned[:, i], aligned[:, j], heard.present[:, i] * heard.present[:, j], alike
            )
            for i, j in pairs_of(self.shape.modalities)
        ]
        return torch.stack(losses).mean()

    def _contrast(self, first: Tensor, second: Tensor, both: Tensor, alike: Tensor) -> Tensor:
        """Return the symmetric cross entropy of telling a window's partner from the others'."""
        score = torch.exp(self.log_scale.clamp(max=4.6)) * first @ second.T  # (batch, batch)
        itself = torch.eye(len(score), dtype=torch.bool, device=score.device)
        rival = (both.unsqueeze(0) * both.unsqueeze(1) > 0) & ~alike.to(score.device) | itself
        score = torch.where(rival, score, torch.full_like(score, -1e4))
        target = torch.arange(len(score), device=score.device)
        each = functional.cross_entropy(score, target, reduction="none")
        each = each + functional.cross_entropy(score.T, target, reduction="none")
        return (each * both).sum() / (2.0 * both.sum().clamp(min=1.0))
