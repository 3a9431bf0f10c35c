"""BERT in our own code, its names those of the standard weights (Devlin et al., NAACL 2019)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.encoders.attention import attend
from mmindustry.fusion.encoders.entries import EntryEncoder
from mmindustry.fusion.encoders.shape import masked_mean
from mmindustry.fusion.pretrained import Found, fill_from
from mmindustry.fusion.spec import NetworkSpec

_NORM_EPSILON = 1e-12
_DROPOUT = 0.1
_OLD_NAMES = {"gamma": "weight", "beta": "bias"}


class _Residual(nn.Module):
    """A dense layer, added to what came in, then normed."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(into, out)
        self.LayerNorm = nn.LayerNorm(out, eps=_NORM_EPSILON)
        self.dropout = nn.Dropout(_DROPOUT)

    @override
    def forward(self, hidden: Tensor, kept: Tensor) -> Tensor:
        """Return (batch, pieces, out)."""
        normed: Tensor = self.LayerNorm(self.dropout(self.dense(hidden)) + kept)
        return normed


class _SelfAttention(nn.Module):
    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)

    @override
    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Return (batch, pieces, hidden)."""
        parts = (self.query(sequence), self.key(sequence), self.value(sequence))
        return attend(parts, mask, self.heads)


class _Layer(nn.Module):
    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        hidden, inner = sizes["hidden"], sizes["inner"]
        self.attention = nn.ModuleDict(
            {"self": _SelfAttention(hidden, sizes["heads"]), "output": _Residual(hidden, hidden)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(hidden, inner)})
        self.output = _Residual(inner, hidden)

    @override
    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Return (batch, pieces, hidden)."""
        mixed = self.attention["self"](sequence, mask)
        sequence = self.attention["output"](mixed, sequence)
        wide = functional.gelu(self.intermediate["dense"](sequence))  # (batch, pieces, inner)
        changed: Tensor = self.output(wide, sequence)
        return changed


class _Embeddings(nn.Module):
    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        hidden = sizes["hidden"]
        self.word_embeddings = nn.Embedding(sizes["rows"], hidden, padding_idx=0)
        self.position_embeddings = nn.Embedding(sizes["positions"], hidden)
        self.token_type_embeddings = nn.Embedding(2, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=_NORM_EPSILON)
        self.dropout = nn.Dropout(_DROPOUT)

    @override
    def forward(self, ids: Tensor) -> Tensor:
        """Return (batch, pieces, hidden) of the first segment's ids (batch, pieces)."""
        place = self.position_embeddings.weight[: ids.shape[1]]  # (pieces, hidden)
        total = self.word_embeddings(ids) + place + self.token_type_embeddings.weight[0]
        normed: Tensor = self.dropout(self.LayerNorm(total))
        return normed


class Bert(nn.Module):
    """Embeddings, layers, and the pooled output of the first piece where it is asked for."""

    def __init__(self, sizes: Mapping[str, int], *, pooled: bool) -> None:
        super().__init__()
        self.embeddings = _Embeddings(sizes)
        layers = nn.ModuleList(_Layer(sizes) for _ in range(sizes["layers"]))
        self.encoder = nn.ModuleDict({"layer": layers})
        hidden = sizes["hidden"]
        self.pooler = nn.ModuleDict({"dense": nn.Linear(hidden, hidden)}) if pooled else None
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def sequence(self, ids: Tensor) -> Tensor:
        """Return the last hidden states (batch, pieces, hidden) of ids (batch, pieces), 0 = pad."""
        hidden: Tensor = self.embeddings(ids)
        for layer in self.encoder["layer"]:  # type: ignore[attr-defined]  # a ModuleList
            hidden = layer(hidden, ids)
        return hidden

    @override
    def forward(self, ids: Tensor) -> Tensor:
        """Return one vector (batch, hidden): tanh of the first piece's, or the mean over pieces."""
        hidden = self.sequence(ids)
        if self.pooler is None:
            return masked_mean(hidden, ids)
        return torch.tanh(self.pooler["dense"](hidden[:, 0]))

    def adopt(self, found: Found) -> None:
        """Fill it from standard weights, whether they stand below `bert.` or at the top.

        Raises:
            InputError: Naming what is missing and what is unexpected.
        """
        rename: dict[str, str | None] = {
            "bert.": "",
            "cls.": None,
            "embeddings.position_ids": None,
        }
        if self.pooler is None:
            rename |= {"pooler.": None, "bert.pooler.": None}
        fill_from(self, found.opened(), rename=rename, endings=_OLD_NAMES)


class _BertEncoder(EntryEncoder):
    pooled: bool

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        super().__init__(spec, sizes["hidden"])
        self.bert = Bert(sizes, pooled=self.pooled)

    @override
    def pretrained_net(self) -> nn.Module:
        return self.bert

    @override
    def reading(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return each entry's vector, zero for one without pieces."""
        ids = arrays["text_pieces"].long()  # (batch, entries, pieces)
        batch, count = ids.shape[:2]
        read: Tensor = self.bert(ids.flatten(0, 1))  # (batch * entries, hidden)
        return read.reshape(batch, count, -1)  # (batch, entries, hidden)

    @override
    def adopt(self, found: Found) -> None:
        """Fill it from standard weights."""
        self.bert.adopt(found)


class BertEntries(_BertEncoder):
    """BERT's pooled output of each entry."""

    pooled = True


class MiniLmEntries(_BertEncoder):
    """The mean over an entry's pieces, at length 1, as the sentence encoder was trained."""

    pooled = False

    @override
    def reading(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return each entry's sentence embedding, of length 1; zero for one without pieces."""
        return functional.normalize(super().reading(arrays), dim=-1, eps=1e-6)
