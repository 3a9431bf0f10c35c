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
from mmindustry.training.policy import TrainingPolicy

_TOGETHER = 128
_PICTURE = MODALITIES.index("image")
_TEMPERATURES = 2.0 ** (torch.arange(-8.0, 13.0) / 4.0)
"""Those that are tried, 0.25..8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """The windows a run is judged by, read as the team shares them."""

    batches: Batches
    rows: Rows
    prior: NDArray[np.float64]
    """Share of each class among the training windows."""
    team: Team
    precision: Callable[[], AbstractContextManager[object]]

    def loss(self, network: nn.Module) -> float:
        """Return the mean fault loss in nats of what the policy teaches, nothing hidden; where the
        policy keeps weights by all, plus the mean product loss, weighed as the policy weighs it.

        The fault loss is the fused answer's; where each modality learns from a loss of its own, the
        mean over the modalities of theirs, each where it is there. These, and then products too,
        are taken at the temperature (0.25..8) that suits each best: answers are calibrated
        afterwards, so being too sure is no reason to stop, and the modality that learns last is
        heard as loud as the one that the fused answer needs most.

        Raises:
            InputError: No window has a modality that the network reads.
        """
        policy = self.batches.policy
        teach = self._fused if policy.joint else self._each
        log_prior = torch.from_numpy(np.log(self.prior)).float().to(self.batches.device)
        scale = torch.ones(1) if policy.joint else _TEMPERATURES
        weight = _product_weight(policy) if self.batches.data.spec.heard[_PICTURE] else 0.0
        rows = 1 if policy.joint else len(MODALITIES)
        total = torch.zeros(rows + 1, len(scale) + 1, dtype=torch.float64)
        mine = self.rows[self.team.rank :: self.team.size]
        with torch.inference_mode(), self.precision():
            for part in batches(mine, _TOGETHER):
                arrays, truth = self.batches.load(part)
                answer: Answer = network.eval()(arrays)
                fault = truth.fault.to(self.batches.device)
                total[:-1] += teach(answer, arrays["present"], log_prior, fault).cpu()
                if weight:
                    total[-1] += _of_products(answer, arrays["present"], truth.product, scale)
        summed = self.team.total(total)  # (modalities or 1, and products; temperatures or 1, + 1)
        faults = _lowest(summed[:-1])
        if not len(faults):
            raise InputError(
                "no window to judge by has a modality that the network reads; give others"
            )
        return float(faults.mean() + weight * _lowest(summed[-1:]).sum())

    def _fused(self, answer: Answer, present: Tensor, log_prior: Tensor, fault: Tensor) -> Tensor:
        """Return the summed loss and how many windows it is of, (1, 2)."""
        logits = log_prior + answer.evidence.float()
        loss = functional.cross_entropy(logits, fault, reduction="sum")
        return torch.tensor([[loss.item(), len(present)]], dtype=torch.float64)

    def _each(self, answer: Answer, present: Tensor, log_prior: Tensor, fault: Tensor) -> Tensor:
        """Return each modality's summed losses by temperature and how many windows have it,
        (modalities, temperatures + 1)."""
        scale = _TEMPERATURES.to(fault.device).reshape(-1, 1, 1, 1)
        likely = (log_prior + answer.modal.float() / scale).log_softmax(-1)
        picked = fault.reshape(1, -1, 1, 1).expand(*likely.shape[:-1], 1)
        encoded = torch.tensor(self.batches.data.spec.heard, device=fault.device)
        there = ((present > 0) & encoded).double()  # (batch, modalities)
        losses = -likely.gather(-1, picked).squeeze(-1).double() * there  # (T, batch, modalities)
        return torch.cat([losses.sum(1).T, there.sum(0).unsqueeze(-1)], dim=1)


def _product_weight(policy: TrainingPolicy) -> float:
    """Return the weight of products beside one fault loss: own losses are taught in sum, and
    judged by their mean."""
    if policy.keep_by != "all":
        return 0.0
    return policy.product / (1.0 if policy.joint else policy.auxiliary * len(MODALITIES))


def _of_products(answer: Answer, present: Tensor, product: Tensor, scale: Tensor) -> Tensor:
    """Return the summed loss of products that are seen and known, by temperature, and how many they
    are, (temperatures + 1,)."""
    right = product.to(present.device)
    known = (right >= 0) & (present[:, _PICTURE] > 0)
    told = answer.product[known].float() / scale.to(present.device).reshape(-1, 1, 1)
    likely = told.double().log_softmax(-1)  # (temperatures, known, products)
    picked = right[known].reshape(1, -1, 1).expand(len(scale), -1, 1)
    losses = -likely.gather(-1, picked).sum((1, 2))
    return torch.cat([losses, losses.new_tensor([len(picked[0])])]).cpu()


def _lowest(summed: Tensor) -> Tensor:
    """Return the lowest mean of each row that has any window, (rows that do,)."""
    heard = summed[summed[:, -1] > 0]
    return (heard[:, :-1] / heard[:, -1:]).amin(dim=1)
