"""What an epoch's weights are worth on windows that were held out: the loss they are kept by."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmindustry.errors import InputError
from mmindustry.features.spec import MODALITIES
from mmindustry.fusion.network import Answer
from mmindustry.training.batches import Batches, Rows, batches
from mmindustry.training.device import Team

_TOGETHER = 128
_PICTURE = MODALITIES.index("image")
WHOLE = "whole"
"""Name of all weights, or of those that belong to no modality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """The windows a run is judged by, read as the team shares them."""

    batches: Batches
    rows: Rows
    prior: NDArray[np.float64]
    """Share of each class among the training windows."""
    team: Team
    precision: Callable[[], AbstractContextManager[object]]

    def losses(self, network: nn.Module) -> dict[str, float]:
        """Return the losses in nats that weights are kept by, part of the weights -> loss, of what
        the policy teaches, nothing hidden.

        `WHOLE` alone, the mean fault loss of the fused answer, where that is taught. Where each
        modality learns from a loss of its own, one for each that some window has, the mean over
        these windows, and `WHOLE`, their sum. Where the policy keeps weights by all, the mean loss
        of products counts too, by its weight beside a fault loss of weight 1: with pictures, who
        alone see any.

        Raises:
            InputError: No window has a modality that the network reads.
        """
        policy = self.batches.policy
        names = (WHOLE,) if policy.joint else MODALITIES
        log_prior = torch.from_numpy(np.log(self.prior)).float().to(self.batches.device)
        total = torch.zeros(len(names) + 1, 2, dtype=torch.float64)  # sums, and of how many
        weight = self._product_weight()
        mine = self.rows[self.team.rank :: self.team.size]
        with torch.inference_mode(), self.precision():
            for part in batches(mine, _TOGETHER):
                arrays, truth = self.batches.load(part)
                answer: Answer = network.eval()(arrays)
                fault = truth.fault.to(self.batches.device)
                there = self._there(arrays["present"])
                said = answer.evidence.unsqueeze(1) if policy.joint else answer.modal
                total[:-1] += _of_faults(log_prior + said.float(), fault, there)
                if weight:
                    total[-1] += _of_products(answer, arrays["present"], truth.product)
        *sums, product = self.team.total(total)
        found = {n: float(s / count) for n, (s, count) in zip(names, sums, strict=True) if count}
        if not found:
            raise InputError(
                "no window to judge by has a modality that the network reads; give others"
            )
        sees = WHOLE if policy.joint else MODALITIES[_PICTURE]
        if sees in found and product[1]:
            found[sees] += weight * float(product[0] / product[1])
        return {**found, WHOLE: sum(found.values())}

    def _there(self, present: Tensor) -> Tensor:
        """Return where a loss is taken, (batch, 1 or modalities) bool."""
        if self.batches.policy.joint:
            return torch.ones_like(present[:, :1], dtype=torch.bool)
        return (present > 0) & torch.tensor(self.batches.data.spec.heard, device=present.device)

    def _product_weight(self) -> float:
        """Return the weight of products beside one fault loss."""
        policy = self.batches.policy
        if policy.keep_by != "all" or not self.batches.data.spec.heard[_PICTURE]:
            return 0.0
        return policy.product


def _of_faults(logits: Tensor, fault: Tensor, there: Tensor) -> Tensor:
    """Return summed losses and how many they are of, (modalities, 2).

    Args:
        logits: (batch, modalities, faults).
        fault: (batch,) class.
        there: (batch, modalities) which count.
    """
    truth = fault.reshape(-1, 1).expand_as(there)
    losses = functional.cross_entropy(logits.transpose(1, 2), truth, reduction="none")
    told = torch.where(there, losses.double(), 0.0).sum(0)
    return torch.stack([told, there.sum(0).double()], dim=1).cpu()


def _of_products(answer: Answer, present: Tensor, product: Tensor) -> Tensor:
    """Return the summed loss of products that are seen and known, and how many they are, (2,)."""
    right = product.to(present.device)
    known = (right >= 0) & (present[:, _PICTURE] > 0)
    told = answer.product[known].double()
    loss = functional.cross_entropy(told, right[known], reduction="sum")
    return torch.stack([loss, known.sum().double()]).cpu()
