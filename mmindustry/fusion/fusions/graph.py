"""Fusion by graph convolution over modalities and the machine itself."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.fusions.shape import FusionShape, Heard, Joint


class GraphFusion(Joint):
    """H' = GELU(A H W), twice, then the mean of the present nodes.

    Nodes are the modalities and the machine (its card and operating point). The edges are learned
    from likeness, a_ij = sigmoid(s P h_i . P h_j / sqrt(D) + b), cut where a node is absent,
    with self-loops and normalised as D^-1/2 (A + I) D^-1/2 (Kipf and Welling, ICLR 2017).
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, shape.width)
        self.machine = nn.Linear(shape.context, shape.width)
        self.likeness = nn.Linear(shape.width, shape.width, bias=False)
        self.scale = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.zeros(()))
        self.layers = nn.ModuleList(nn.Linear(shape.width, shape.width) for _ in range(2))

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the mean of the nodes that are there after two rounds."""
        machine = self.machine(heard.context).unsqueeze(1)  # (batch, 1, width)
        nodes = torch.cat([heard.weighted, machine], dim=1)  # (batch, M + 1, width)
        there = torch.cat([heard.present, torch.ones_like(heard.present[:, :1])], dim=1)
        edges = self._edges(nodes, there)
        for layer in self.layers:
            nodes = functional.gelu(torch.matmul(edges, layer(nodes)))
        return (nodes * there.unsqueeze(-1)).sum(1) / there.sum(1, keepdim=True)

    def _edges(self, nodes: Tensor, there: Tensor) -> Tensor:
        seen = self.likeness(nodes)  # (batch, nodes, width)
        like = torch.matmul(seen, seen.transpose(1, 2)) / self.shape.width**0.5
        both = there.unsqueeze(1) * there.unsqueeze(2)  # (batch, nodes, nodes)
        edges = torch.sigmoid(self.scale * like + self.bias) * both
        edges = edges + torch.eye(there.shape[1], device=nodes.device, dtype=nodes.dtype)
        degree = torch.rsqrt(edges.sum(-1))  # (batch, nodes)
        return degree.unsqueeze(1) * edges * degree.unsqueeze(2)
