"""Fusions by attention: among modalities, between their items, through a bottleneck."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.fusions.shape import FusionShape, Heard, Joint
from mmindustry.fusion.fusions.sums import NEVER

_HEADS = 4
_LAYERS = 2
_LATENTS = 4


class Attention(nn.Module):
    """Scaled dot-product attention over masked keys, several heads (Vaswani et al., 2017)."""

    def __init__(self, width: int, heads: int = _HEADS) -> None:
        super().__init__()
        self.heads = heads if width % heads == 0 else 1
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    @override
    def forward(
        self, asking: Tensor, asked: Tensor, mask: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        """Return (batch, queries, width).

        Args:
            asking: (batch, queries, width).
            asked: (batch, keys, width), zero where masked.
            mask: (batch, keys), above 0 = there.
            bias: (batch, queries, keys) added to every head's scores.
        """
        query, key, value = (
            self._split(net(tokens))
            for net, tokens in ((self.query, asking), (self.key, asked), (self.value, asked))
        )
        score = torch.matmul(query, key.transpose(2, 3)) / query.shape[-1] ** 0.5
        if bias is not None:
            score = score + bias.unsqueeze(1)
        there = (mask > 0).unsqueeze(1).unsqueeze(2)  # (batch, 1, 1, keys)
        share = torch.softmax(torch.where(there, score, torch.full_like(score, NEVER)), dim=-1)
        mixed = torch.matmul(share, value).transpose(1, 2).flatten(2)  # (batch, queries, width)
        answer: Tensor = self.out(mixed)
        return answer

    def _split(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        return tokens.reshape(batch, count, self.heads, width // self.heads).transpose(1, 2)


class Block(nn.Module):
    """Attention and a two-layer net, each added to its normed input."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        width = shape.width
        self.norm = nn.LayerNorm(width)
        self.asked_norm = nn.LayerNorm(width)
        self.attention = Attention(width)
        self.net = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(2 * width, width),
        )

    @override
    def forward(self, asking: Tensor, asked: Tensor, mask: Tensor) -> Tensor:
        """Return `asking` (batch, queries, width) changed by what it found in `asked`."""
        found = self.attention(self.norm(asking), self.asked_norm(asked), mask)
        asking = asking + found
        changed: Tensor = asking + self.net(asking)
        return changed


class SelfAttentionFusion(Joint):
    """Tokens [CLS ; h_i + e_i], two blocks, absent ones masked as keys; z is the class token."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, shape.width)
        self.token = nn.Parameter(torch.randn(shape.width) * 0.02)
        self.kinds = nn.Parameter(torch.randn(shape.modalities, shape.width) * 0.02)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(_LAYERS))

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the class token after the last block."""
        first = self.token.expand(heard.present.shape[0], 1, -1)
        named = (heard.weighted + self.kinds) * heard.present.unsqueeze(-1)
        tokens = torch.cat([first, named], dim=1)  # (batch, M + 1, width)
        mask = torch.cat([torch.ones_like(heard.present[:, :1]), heard.present], dim=1)
        for block in self.blocks:
            tokens = block(tokens, tokens, mask)
        return tokens[:, 0]


class CrossAttentionFusion(Joint):
    """Each modality's items ask every other's (MulT, Tsai et al., ACL 2019), near in time first.

    softmax(Q_i K_j / sqrt(d) - s |t_i - t_j|) V_j, averaged over the items of i, for every pair
    of different modalities that are both present; the embeddings themselves stand beside it.
    """

    def __init__(self, shape: FusionShape) -> None:
        count = shape.modalities
        super().__init__(shape, (count * (count - 1) + count) * shape.width)
        self.pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
        self.attentions = nn.ModuleList(Attention(shape.width) for _ in self.pairs)
        self.nearness = nn.Parameter(torch.ones(len(self.pairs)))

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return what each pair found, and the embeddings."""
        items = heard.present_items()
        parts: list[Tensor] = []
        for at, (i, j) in enumerate(self.pairs):
            apart = (items[i].times.unsqueeze(2) - items[j].times.unsqueeze(1)).abs()
            found = self.attentions[at](
                items[i].tokens, items[j].tokens, items[j].mask, -self.nearness[at] * apart
            )  # (batch, items of i, width)
            mask = items[i].mask.unsqueeze(-1)
            mean = (found * mask).sum(1) / mask.sum(1).clamp(min=1.0)  # (batch, width)
            both = heard.weight[:, i] * heard.weight[:, j]
            parts.append(mean * both.unsqueeze(1))
        return torch.cat([*parts, heard.weighted.flatten(1)], dim=-1)


class BottleneckFusion(Joint):
    """Four latents look twice at the items of all modalities (Perceiver, Jaegle et al., 2021)."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, shape.width)
        self.latents = nn.Parameter(torch.randn(_LATENTS, shape.width) * 0.02)
        self.kinds = nn.Parameter(torch.randn(shape.modalities, shape.width) * 0.02)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(_LAYERS))

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the mean of the latents after they have looked."""
        items = heard.present_items()
        weight = heard.weight
        tokens = torch.cat(
            [
                (one.tokens * weight[:, at].reshape(-1, 1, 1) + self.kinds[at])
                * one.mask.unsqueeze(-1)
                for at, one in enumerate(items)
            ],
            dim=1,
        )  # (batch, all items, width)
        mask = torch.cat([one.mask for one in items], dim=1)
        latents = self.latents.expand(weight.shape[0], -1, -1)
        for block in self.blocks:
            latents = block(latents, tokens, mask)
        return latents.mean(1)
