"""Sound segments -> one embedding: log-mel, envelope spectrum, fault orders, level."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.features.spec import CARD_WIDTH, LEVEL_WIDTH, OPERATING_WIDTH, ORDERS
from mmindustry.fusion.catalogue import TINY_SOUND
from mmindustry.fusion.encoders.layers import Film, ItemPool, Projection, Separable, root
from mmindustry.fusion.encoders.shape import Encoder
from mmindustry.fusion.items import Encoded, Items
from mmindustry.fusion.pretrained import Found, fill_from
from mmindustry.fusion.spec import NetworkSpec


class AudioEncoder(Encoder):
    """A small separable CNN that keeps the frequency axis, beside what physics already names.

    Order energies (BPFO and its kin, from geometry and speed) carry what a network can't learn
    from a few hundred windows (learning.md 0.2); card and operating point steer by FiLM.
    """

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        super().__init__(spec.width)
        width, recipe = spec.width, spec.recipe
        channels = [{**TINY_SOUND, **sizes}[name] for name in TINY_SOUND]
        self.stem = nn.Sequential(
            nn.Conv2d(1, channels[0], 3, 2, 1, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU()
        )
        self.blocks = nn.Sequential(*(Separable(into, out) for into, out in pairwise(channels)))
        bands = -(-recipe.mels // 16)
        self.tone = Projection(3 * channels[-1] * bands, width)
        self.envelope = Projection(recipe.envelope_bands, width // 2)
        known = CARD_WIDTH + OPERATING_WIDTH
        self.orders = nn.Sequential(
            Projection(2 * len(ORDERS) + LEVEL_WIDTH + known, 96), Projection(96, width)
        )
        self.join = Projection(2 * width + width // 2, width)
        self.pool = ItemPool(width)
        self.film = Film(known, width)

    @override
    def forward(self, arrays: Mapping[str, Tensor]) -> Encoded:
        """Return the embedding, and the segments."""
        known = torch.cat([arrays["card"], arrays["operating"]], dim=-1)  # (batch, known)
        parts = [
            self._tone(arrays["audio_logmel"]),
            self.envelope(arrays["audio_envelope"]),
            self._orders(arrays, known),
        ]
        items = self.join(torch.cat(parts, dim=-1))  # (batch, items, width)
        pooled = self.pool(items, arrays["audio_mask"], arrays["audio_offset"])  # (batch, width)
        segments = Items(items, arrays["audio_mask"], arrays["audio_offset"])
        return Encoded(self.film(pooled, known), segments)

    @override
    def adopt(self, found: Found) -> None:
        """Fill it from a bundle's weights."""
        fill_from(self, found.opened(), part="audio.")

    def _tone(self, logmel: Tensor) -> Tensor:
        batch, items = logmel.shape[:2]
        maps = self.blocks(self.stem(logmel.flatten(0, 1).unsqueeze(1)))  # (b*i, 64, mels/16, t/16)
        spread = (maps - maps.mean(-1, keepdim=True)).square().mean(-1)  # (b*i, 64, mels/16)
        kept = torch.cat([maps.mean(-1), maps.amax(-1), root(spread + 1e-6)], dim=1)
        tone: Tensor = self.tone(kept.flatten(1))  # (b*i, width)
        return tone.reshape(batch, items, -1)  # (batch, items, width)

    def _orders(self, arrays: Mapping[str, Tensor], known: Tensor) -> Tensor:
        orders = arrays["audio_orders"]  # (batch, items, orders)
        each = torch.cat([arrays["audio_orders_known"], known], dim=-1).unsqueeze(1)
        each = each.expand(-1, orders.shape[1], -1)  # (batch, items, orders + known)
        energies: Tensor = self.orders(torch.cat([orders, arrays["audio_level"], each], dim=-1))
        return energies  # (batch, items, width)
