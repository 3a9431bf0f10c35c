"""What the network is taught: the losses of its answers, summed so that parts of a batch add up."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.heads import hazard_loss
from mmindustry.fusion.network import Answer, Network
from mmindustry.fusion.steering import SPEED_GAUGE, speed_loss
from mmindustry.training.policy import TrainingPolicy

TERMS = ("fault", "alone", "aligning", "hazard", "product", "gauges", "speed")
"""The parts of the loss, in order."""

_WIDEST = 3.0


@dataclass(frozen=True, slots=True)
class Truth:
    """The targets of a batch as tensors; `machine` by number, `begin` in seconds, NaN = unknown."""

    fault: Tensor
    product: Tensor
    bins: Tensor
    failed: Tensor
    known: Tensor
    gauges: Tensor
    machine: Tensor
    begin: Tensor

    def counts(self) -> Tensor:
        """Return how many windows, known lives, products and gauges the batch has, shape (4,)."""
        shown = ~torch.isnan(self.gauges)
        seen = (len(self.fault), self.known.sum(), (self.product >= 0).sum(), shown.sum())
        return torch.tensor([float(count) for count in seen], dtype=torch.float64)

    def take(self, part: slice) -> "Truth":
        """Return the targets of a part of the batch."""
        return Truth(*(getattr(self, field.name)[part] for field in fields(self)))

    def to(self, device: torch.device) -> "Truth":
        """Return the targets on a device."""
        moved = (getattr(self, f.name).to(device, non_blocking=True) for f in fields(self))
        return Truth(*moved)

    def alike(self, seconds: float) -> Tensor:
        """Return which pairs of windows are too alike to be contrasted, (batch, batch) bool.

        Those of one fault class, and those of one machine that begin within `seconds`
        (learning.md 4.4, 7).
        """
        near = (self.begin.unsqueeze(0) - self.begin.unsqueeze(1)).abs() <= seconds
        same = self.machine.unsqueeze(0) == self.machine.unsqueeze(1)
        return (self.fault.unsqueeze(0) == self.fault.unsqueeze(1)) | (same & near)


class Lesson(nn.Module):
    """A network and its loss as one module, so that processes can share it.

    Every term is a sum over its windows, over how many the whole batch has of them (`counts`):
    the losses of a batch's parts add up to that of the batch, and so do their gradients.
    With weighting `uncertainty` the weight of term t is exp(-s_t), plus s_t / 2 so that it does
    not vanish, s_t learned in -3..3 (Kendall, Gal & Cipolla, CVPR 2018).
    """

    def __init__(
        self, network: Network, policy: TrainingPolicy, class_weights: NDArray[np.float64] | None
    ) -> None:
        super().__init__()
        self.network = network
        self.policy = policy
        alone = policy.auxiliary * (1 if policy.joint else len(network.spec.modalities))
        fixed = (
            *(float(policy.joint), alone, policy.aligning, policy.hazard),
            *(policy.product, policy.gauges, policy.speed),
        )
        home = network.get_buffer("log_prior").device
        weights = torch.tensor(fixed, device=home)  # (terms,)
        self.register_buffer("fixed", weights, persistent=False)
        asked = torch.where(weights > 0, weights, torch.ones_like(weights))
        start = -torch.log(asked).clamp(-_WIDEST, _WIDEST)
        self.spread = nn.Parameter(start) if policy.weighting == "uncertainty" else None
        even = np.ones(len(network.spec.faults))
        shares = torch.from_numpy(even if class_weights is None else class_weights).float()
        self.register_buffer("class_weights", shares.to(home), persistent=False)

    @override
    def forward(
        self, arrays: dict[str, Tensor], truth: Truth, counts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss, and its terms as they are before they are weighted, (terms,)."""
        alike = truth.alike(self.policy.alike_seconds)
        answer: Answer = self.network(arrays, alike)
        terms = self.terms(answer, truth, counts.to(answer.evidence.device))
        return self._weighed(terms, len(truth.fault) / float(counts[0])), terms.detach()

    def keep_in_range(self) -> None:
        """Bring the learned weights back to where they may be; after each step."""
        if self.spread is not None:
            with torch.no_grad():
                self.spread.clamp_(-_WIDEST, _WIDEST)

    def _weighed(self, terms: Tensor, share: float) -> Tensor:
        fixed = self.get_buffer("fixed")
        if self.spread is None:
            return (fixed * terms).sum()
        asked = (fixed > 0).to(terms.dtype)
        return (asked * (torch.exp(-self.spread) * terms + share * self.spread / 2.0)).sum()

    def terms(self, answer: Answer, truth: Truth, counts: Tensor) -> Tensor:
        """Return the losses, (terms,) in the order of `TERMS` (learning.md 4.5).

        Faults: cross entropy on prior + evidence (logit adjustment), for the fused answer and for
        each modality alone.
        """
        windows, known, products, shown = counts.clamp(min=1.0).to(torch.float32)
        fused, modal = answer.evidence.float(), answer.modal.float()
        alone = [self._faults(modal[:, m], truth) for m in range(modal.shape[1])]
        lives = hazard_loss(answer.hazard.float(), truth.bins, truth.failed, truth.known)
        found = (
            self._faults(fused, truth) / windows,
            torch.stack(alone).mean() / windows,
            answer.loss.float() * len(fused) / windows,
            lives * truth.known.sum().clamp(min=1.0) / known,
            self._products(answer.product.float(), truth.product) / products,
            _gauges(answer.gauges.float(), truth.gauges) / shown,
            self._speed(answer.speeds.float(), truth.gauges) / windows,
        )
        return torch.stack(found)

    def _faults(self, evidence: Tensor, truth: Truth) -> Tensor:
        logits = self.network.get_buffer("log_prior") + evidence
        smoothing = self.policy.smoothing
        each = functional.cross_entropy(
            logits, truth.fault, label_smoothing=smoothing, reduction="none"
        )
        return (each * self.get_buffer("class_weights")[truth.fault]).sum()

    def _speed(self, speeds: Tensor, gauges: Tensor) -> Tensor:
        """Return the summed loss of the speed read from the dial; 0 where none steers."""
        spec = self.network.spec
        if not spec.steering or SPEED_GAUGE not in spec.gauges:
            return speeds.sum()  # of none
        shown = gauges[:, list(spec.gauges).index(SPEED_GAUGE)] * spec.gauges[SPEED_GAUGE]
        return speed_loss(speeds, shown, spec.recipe)

    def _products(self, logits: Tensor, product: Tensor) -> Tensor:
        """Return the summed cross entropy, focal where asked (Lin et al., ICCV 2017)."""
        each = functional.cross_entropy(logits, product.clamp(min=0), reduction="none")
        if self.policy.product_focus:
            unsure = (1.0 - torch.exp(-each)).clamp(min=1e-6)  # a root's slope at 0 has no end
            each = each * unsure**self.policy.product_focus
        return torch.where(product >= 0, each, torch.zeros_like(each)).sum()


def _gauges(told: Tensor, shown: Tensor) -> Tensor:
    """Return the summed squared error of the gauges that are seen."""
    apart = torch.where(torch.isnan(shown), told.detach(), shown) - told
    return apart.square().sum()


def class_prior(faults: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return each class's share, one window added to each so that none is impossible."""
    counts = np.bincount(faults, minlength=classes) + 1.0
    prior: NDArray[np.float64] = counts / counts.sum()
    return prior
