"""Log entries -> one embedding: bags of hashed words and character n-grams."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.features.spec import TEXT_META_WIDTH
from mmindustry.fusion.encoders.layers import ItemPool, Projection
from mmindustry.fusion.encoders.shape import Encoder
from mmindustry.fusion.items import Encoded, Items
from mmindustry.fusion.pretrained import Found, fill_from
from mmindustry.fusion.spec import NetworkSpec


class TextEncoder(Encoder):
    """Sum of token embeddings over the square root of their number, beside age and manner.

    Works unsegmented (Chinese) and with typos, since n-grams share what words don't; old entries
    count less by attention on their age.
    """

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        del sizes
        super().__init__(spec.width)
        self.tokens = nn.Embedding(spec.recipe.vocabulary, spec.text_width, padding_idx=0)
        nn.init.normal_(self.tokens.weight, std=0.3)
        with torch.no_grad():
            self.tokens.weight[0].zero_()
        self.entry = Projection(spec.text_width + TEXT_META_WIDTH, spec.width)
        self.pool = ItemPool(spec.width)

    @override
    def adopt(self, found: Found) -> None:
        """Fill it from a bundle's weights."""
        fill_from(self, found.opened(), part="text.")

    @override
    def forward(self, arrays: Mapping[str, Tensor]) -> Encoded:
        """Return the embedding, and the entries."""
        ids = arrays["text_ids"].long()  # (batch, entries, tokens)
        there = (ids > 0).to(arrays["text_meta"].dtype)  # (batch, entries, tokens)
        vectors = self.tokens(ids) * there.unsqueeze(-1)  # (batch, entries, tokens, text_width)
        count = there.sum(-1, keepdim=True).clamp(min=1.0)  # (batch, entries, 1)
        bag = vectors.sum(2) * torch.rsqrt(count)  # (batch, entries, text_width)
        entries = self.entry(torch.cat([bag, arrays["text_meta"]], dim=-1))
        written = Items(entries, arrays["text_mask"], -arrays["text_age"])
        return Encoded(self.pool(*written), written)
