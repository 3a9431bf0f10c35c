"""Frames as a sequence: the tiny CNN over each, and a net over them in time (video)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.encoders.attention import AttentionLayer
from mmindustry.fusion.encoders.image import ImageEncoder
from mmindustry.fusion.encoders.layers import TimeVector
from mmindustry.fusion.encoders.shape import masked_mean
from mmindustry.fusion.items import silent
from mmindustry.fusion.spec import NetworkSpec

_HEADS = 4


class SequencePool(nn.Module):
    """Items in time -> one vector: [last state ; mean], or attention's mean.

    Args:
        width: Of items and result.
        net: `(batch, items, width) -> (..., states)` for a recurrent net, None for attention.
    """

    def __init__(self, width: int, net: nn.LSTM | nn.GRU | None) -> None:
        super().__init__()
        self.time = TimeVector(width)
        self.net = net
        self.layer = AttentionLayer(width, _HEADS) if net is None else None
        self.out = nn.Sequential(nn.Linear(2 * width, width), nn.LayerNorm(width))

    @override
    def forward(self, items: Tensor, mask: Tensor, times: Tensor) -> Tensor:
        """Return (batch, width) from items (batch, items, width), mask and times (batch, items)."""
        times = torch.where(mask > 0, times, torch.zeros_like(times))
        timed = silent(items + 0.1 * self.time(times), mask)  # (batch, items, width)
        states: Tensor
        if self.layer is not None:
            states = self.layer(timed, mask)  # (batch, items, width)
        elif self.net is not None:
            states = self.net(timed)[0]  # (batch, items, width)
        newest = silent(states, mask)[:, -1]  # (batch, width); the newest stands last
        pooled: Tensor = self.out(torch.cat([newest, masked_mean(states, mask)], dim=-1))
        return pooled


class FramesLstm(ImageEncoder):
    """LSTM over frames."""

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        net = nn.LSTM(spec.width, spec.width, batch_first=True)
        super().__init__(spec, sizes, SequencePool(spec.width, net))


class FramesGru(ImageEncoder):
    """GRU over frames."""

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        net = nn.GRU(spec.width, spec.width, batch_first=True)
        super().__init__(spec, sizes, SequencePool(spec.width, net))


class FramesAttention(ImageEncoder):
    """Self-attention over frames."""

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        super().__init__(spec, sizes, SequencePool(spec.width, None))
