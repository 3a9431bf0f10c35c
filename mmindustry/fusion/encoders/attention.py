"""Self-attention over a masked sequence: one layer, its norm first (Xiong et al., ICML 2020)."""

import torch
from torch import Tensor, nn
from typing_extensions import override

_NEVER = -1e4  # a score that half precision can hold and softmax turns into 0


class AttentionLayer(nn.Module):
    """Attention among the unmasked, then a two-layer net, each added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads if width % heads == 0 else 1
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.net = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    @override
    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Return (batch, items, width) from a sequence of that shape and mask (batch, items)."""
        query, key, value = self.mix(self.norm(sequence)).chunk(3, dim=-1)
        mixed = attend((query, key, value), mask, self.heads)  # (batch, items, width)
        sequence = sequence + self.out(mixed)
        return sequence + self.net(sequence)  # type: ignore[no-any-return]  # nn.Module's call


def attend(parts: tuple[Tensor, Tensor, Tensor], mask: Tensor, heads: int) -> Tensor:
    """Return scaled dot-product attention of several heads (Vaswani et al., 2017).

    Args:
        parts: Query, key and value, each (batch, items, width).
        mask: (batch, items), above 0 = may be looked at.
        heads: How many; divides the width.
    """
    query, key, value = (_split(one, heads) for one in parts)  # (batch, heads, items, width / h)
    score = torch.matmul(query, key.transpose(2, 3)) / query.shape[-1] ** 0.5
    there = (mask > 0).unsqueeze(1).unsqueeze(2)  # (batch, 1, 1, items)
    share = torch.softmax(torch.where(there, score, torch.full_like(score, _NEVER)), dim=-1)
    return torch.matmul(share, value).transpose(1, 2).flatten(2)  # (batch, items, width)


def _split(tokens: Tensor, heads: int) -> Tensor:
    batch, count, width = tokens.shape
    return tokens.reshape(batch, count, heads, width // heads).transpose(1, 2)
