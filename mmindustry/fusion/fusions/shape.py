"""What every fusion module is built from, takes and gives."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn
from typing_extensions import override


@dataclass(frozen=True, slots=True)
class FusionShape:
    """Number of modalities, width of an embedding, number of fault classes, dropout."""

    modalities: int
    width: int
    classes: int
    dropout: float


class Fused(NamedTuple):
    """Evidence for each fault in nats before the prior, and a summary for the other heads."""

    evidence: Tensor  # (batch, classes)
    trunk: Tensor  # (batch, width)


class Fusion(nn.Module):
    """The one signature; `modal` is each modality's own evidence, (batch, modalities, classes)."""

    @override
    def forward(self, embeddings: Tensor, modal: Tensor, weight: Tensor) -> Fused:
        """Return the fused evidence.

        Args:
            embeddings: (batch, modalities, width), zero where absent.
            modal: (batch, modalities, classes), zero where absent.
            weight: presence times quality, (batch, modalities) in 0..1.
        """
        raise NotImplementedError
