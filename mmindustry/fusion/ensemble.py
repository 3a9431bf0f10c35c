"""Several networks of one kind as one: answers averaged, and stacked where that was learned."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.network import Answer, Network
from mmindustry.fusion.spec import NetworkSpec


class Ensemble(nn.Module):
    """The mean of what its members answer; the embeddings are the first one's, since distances in
    a mean of spaces mean nothing.

    The stack is a linear layer without bias over every modality's evidence and the fused one,
    added to the latter (stacked generalisation, Wolpert, Neural Networks 5 (1992) 241-259): what
    is absent adds nothing, and with all absent the answer stays the prior.
    """

    def __init__(self, members: Sequence[Network], stack: nn.Linear | None = None) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.stack = stack
        self.spec = members[0].spec

    @override
    def forward(self, arrays: Mapping[str, Tensor], alike: Tensor | None = None) -> Answer:
        """Return the members' answer for a batch of arrays."""
        answers: list[Answer] = [member(arrays, alike) for member in self.members]
        modal = _mean([one.modal for one in answers])  # (batch, modalities, faults)
        evidence = _mean([one.evidence for one in answers])  # (batch, faults)
        if self.stack is not None:
            evidence = evidence + self.stack(stack_input(modal, evidence))
        return answers[0]._replace(
            evidence=evidence,
            modal=modal,
            hazard=_mean([one.hazard for one in answers]),
            product=_mean([one.product for one in answers]),
            gauges=_mean([one.gauges for one in answers]),
            loss=_mean([one.loss for one in answers]),
        )


def stack_input(modal: Tensor, evidence: Tensor) -> Tensor:
    """Return what a stack reads: (batch, (modalities + 1) * faults)."""
    return torch.cat([modal.flatten(1), evidence], dim=-1)


def make_network(
    spec: NetworkSpec, prior: Sequence[float] | NDArray[np.float64]
) -> Network | Ensemble:
    """Return a fresh network as the spec asks: one, or several as one."""
    if spec.members == 1 and not spec.stacked:
        return Network(spec, prior)
    members = [Network(spec, prior) for _ in range(spec.members)]
    return Ensemble(members, new_stack(spec) if spec.stacked else None)


def new_stack(spec: NetworkSpec) -> nn.Linear:
    """Return a stack that changes nothing yet."""
    classes = len(spec.faults)
    stack = nn.Linear((len(spec.modalities) + 1) * classes, classes, bias=False)
    nn.init.zeros_(stack.weight)
    return stack


def _mean(parts: list[Tensor]) -> Tensor:
    return torch.stack(parts).mean(0)
