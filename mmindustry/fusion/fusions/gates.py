"""Gated fusions: modalities read one after the other, or weighed feature by feature."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.fusions.shape import FusionShape, Heard, Joint
from mmindustry.fusion.fusions.sums import NEVER


class GruFusion(Joint):
    """z_0 learned; z_t = GRUCell(W_i h_i, z_{t-1}) where modality i is present, else z_{t-1}.

    An absent modality changes nothing, so what is missing for a reason does no harm.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, shape.width)
        self.projections = nn.ModuleList(
            nn.Linear(shape.width, shape.width) for _ in range(shape.modalities)
        )
        self.first = nn.Parameter(torch.zeros(shape.width))
        self.cell = nn.GRUCell(shape.width, shape.width)

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the state after the last modality."""
        state = self.first.expand(heard.embeddings.shape[0], -1)  # (batch, width)
        for at, net in enumerate(self.projections):
            following = self.cell(net(heard.weighted[:, at]), state)
            state = torch.where(heard.present[:, at : at + 1] > 0, following, state)
        return state


class GmuFusion(Joint):
    """z = sum_i g_i o tanh(W_i h_i), g = softmax over the present of V_i [h ; m q].

    Gated multimodal unit (Arevalo et al., 2017), with presence.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, shape.width)
        whole = shape.modalities * (shape.width + 1)
        self.contents = nn.ModuleList(
            nn.Linear(shape.width, shape.width) for _ in range(shape.modalities)
        )
        self.gates = nn.ModuleList(nn.Linear(whole, shape.width) for _ in range(shape.modalities))

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the gated sum of what is present."""
        whole = torch.cat([heard.weighted.flatten(1), heard.weight], dim=-1)
        contents = [torch.tanh(net(heard.weighted[:, at])) for at, net in enumerate(self.contents)]
        gates = torch.stack([net(whole) for net in self.gates], dim=1)  # (batch, M, width)
        there = heard.present.unsqueeze(-1) > 0  # (batch, M, 1)
        gates = torch.softmax(torch.where(there, gates, torch.full_like(gates, NEVER)), dim=1)
        return (gates * torch.stack(contents, dim=1) * there.to(gates.dtype)).sum(1)
