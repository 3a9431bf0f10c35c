"""What is read from embeddings: fault classes, the hazard over time, the product's quality."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.spec import NetworkSpec


class FaultHead(nn.Module):
    """One modality's evidence for each fault: log p(c | x_m) - log pi_c, in nats.

    The prior of the training set is taken off (logit adjustment, Menon et al., ICLR 2021), so that
    another prior may be put on where the bundle serves.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Dropout(spec.dropout),
            nn.Linear(spec.width, spec.width),
            nn.GELU(),
            nn.Dropout(spec.dropout),
            nn.Linear(spec.width, len(spec.faults)),
        )

    @override
    def forward(self, embedding: Tensor, log_prior: Tensor) -> Tensor:
        """Return evidence (batch, classes) of an embedding (batch, width)."""
        logits = self.net(embedding)  # (batch, classes)
        evidence: Tensor = logits - torch.logsumexp(logits + log_prior, dim=-1, keepdim=True)
        return evidence


class NoHead(nn.Module):
    """The head of a modality that has no encoder: no evidence."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self._classes = len(spec.faults)

    @override
    def forward(self, embedding: Tensor, log_prior: Tensor) -> Tensor:
        """Return zeros (batch, classes)."""
        del log_prior
        return embedding.new_zeros((embedding.shape[0], self._classes))


class HazardHead(nn.Module):
    """Logits of the discrete hazard in each time bin; all that is said of time comes from them."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(spec.width, spec.width), nn.GELU(), nn.Dropout(spec.dropout)
        )
        self.out = nn.Linear(spec.width, spec.hazard_bins)
        nn.init.constant_(self.out.bias, -4.0)

    @override
    def forward(self, trunk: Tensor) -> Tensor:
        """Return hazard logits (batch, bins)."""
        logits: Tensor = self.out(self.net(trunk))
        return logits


class ProductHead(nn.Module):
    """Logits of the product classes from the reading of the product's region."""

    def __init__(self, spec: NetworkSpec, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(width, spec.width),
            nn.GELU(),
            nn.Dropout(spec.dropout),
            nn.Linear(spec.width, len(spec.products)),
        )

    @override
    def forward(self, reading: Tensor) -> Tensor:
        """Return product logits (batch, products)."""
        logits: Tensor = self.net(reading)
        return logits


def hazard_loss(logits: Tensor, bins: Tensor, failed: Tensor, known: Tensor) -> Tensor:
    """Return the mean negative log likelihood of survival times, right-censored ones included.

    L = -[d log l_k + sum_{j<k} log(1 - l_j)] (Gensheimer & Narasimhan, PeerJ 2019): a failed
    window survived the bins before its own and fails in it, a censored one survived those before.

    Args:
        logits: (batch, K) hazard logits.
        bins: (batch,) int, the bin of failure or of censoring, 0..K (K = beyond the last).
        failed: (batch,) 1 where the failure was seen.
        known: (batch,) 1 where anything is known of the time.
    """
    columns = torch.arange(logits.shape[1], device=logits.device)  # (K,)
    before = (columns < bins.unsqueeze(1)).to(logits.dtype)  # (batch, K)
    at = (columns == bins.unsqueeze(1)).to(logits.dtype) * failed.unsqueeze(1)  # (batch, K)
    loss = -(at * functional.logsigmoid(logits) + before * functional.logsigmoid(-logits)).sum(1)
    return (loss * known).sum() / known.sum().clamp(min=1.0)
