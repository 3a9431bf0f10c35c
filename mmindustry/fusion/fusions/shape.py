"""What every fusion module is built from, takes and gives."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.items import Items, silent

__all__ = ["Fused", "Fusion", "FusionShape", "Heard", "Joint", "pairs_of"]


@dataclass(frozen=True, slots=True)
class FusionShape:
    """Number of modalities, width of an embedding, number of fault classes, dropout, width of
    what is known of the machine, widths of the features before any projection (none = the
    embedding's)."""

    modalities: int
    width: int
    classes: int
    dropout: float
    context: int
    features: tuple[int, ...] = ()


class Heard(NamedTuple):
    """What was seen, heard and read of a batch of windows. Absent places may hold anything."""

    embeddings: Tensor  # (batch, modalities, width)
    modal: Tensor  # (batch, modalities, classes): each modality's own evidence in nats
    present: Tensor  # (batch, modalities) 0 or 1
    quality: Tensor  # (batch, modalities) 0..1
    items: tuple[Items, ...]  # of each modality
    context: Tensor  # (batch, context): card and operating point
    alike: Tensor | None = None  # (batch, batch) bool, training only: too alike to be told apart
    features: tuple[Tensor | None, ...] = ()  # of each modality (batch, wide): before projection

    @property
    def weight(self) -> Tensor:
        """Presence times quality, (batch, modalities) in 0..1."""
        return torch.where(self.present > 0, self.quality, torch.zeros_like(self.quality))

    @property
    def weighted(self) -> Tensor:
        """The embeddings times their weight, zero where absent: (batch, modalities, width)."""
        return silent(self.embeddings, self.present) * self.weight.unsqueeze(-1)

    @property
    def there(self) -> Tensor:
        """1 where anything of weight is present, (batch, 1)."""
        return (self.weight.sum(1, keepdim=True) > 0).to(self.embeddings.dtype)

    def present_items(self) -> tuple[Items, ...]:
        """Return the items, all masked and zero in modalities that are absent."""
        return tuple(
            items.where(self.present[:, at].unsqueeze(1)) for at, items in enumerate(self.items)
        )


class Fused(NamedTuple):
    """Evidence for each fault in nats before the prior, a summary for the other heads, and what
    the module asks of training beside its answer."""

    evidence: Tensor  # (batch, classes)
    trunk: Tensor  # (batch, width)
    loss: Tensor  # (), zero where the module has no loss of its own


class Fusion(nn.Module):
    """The one signature."""

    @override
    def forward(self, heard: Heard) -> Fused:
        """Return the fused evidence: zero with all absent, so that the answer is the prior."""
        raise NotImplementedError


class Joint(Fusion):
    """A fusion that sums all up in one vector z and reads the evidence from that."""

    def __init__(self, shape: FusionShape, summary_width: int) -> None:
        super().__init__()
        self.shape = shape
        self.lift = nn.Sequential(
            nn.Linear(summary_width, shape.width), nn.GELU(), nn.Dropout(shape.dropout)
        )
        self.out = nn.Linear(shape.width, shape.classes)

    def summary(self, heard: Heard) -> Tensor:
        """Return z, shape (batch, summary_width)."""
        raise NotImplementedError

    def own_loss(self, heard: Heard) -> Tensor:
        """Return the module's own loss, shape ()."""
        return heard.embeddings.new_zeros(())

    @override
    def forward(self, heard: Heard) -> Fused:
        """Return the evidence that a linear layer reads from GELU(W z)."""
        trunk = self.lift(self.summary(heard)) * heard.there  # (batch, width)
        return Fused(self.out(trunk) * heard.there, trunk, self.own_loss(heard))


def pairs_of(modalities: int) -> list[tuple[int, int]]:
    """Return all pairs (i, j) with i < j.

    >>> pairs_of(3)
    [(0, 1), (0, 2), (1, 2)]
    """
    return [(i, j) for i in range(modalities) for j in range(i + 1, modalities)]
