"""Sound segments -> one embedding, by any reading of a segment."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.features.spec import CARD_WIDTH, LEVEL_WIDTH, OPERATING_WIDTH, ORDERS, Recipe
from mmindustry.fusion.encoders.layers import Film, ItemPool, Projection
from mmindustry.fusion.encoders.shape import Encoder, masked_mean
from mmindustry.fusion.items import Encoded, Items, silent
from mmindustry.fusion.spec import NetworkSpec

_CEPSTRA = 20
_SLOPE_FRAMES = 2  # to either side, as in HTK
_BLOCKS = 6


class SegmentEncoder(Encoder):
    """What they share: a reading of each segment, pooled over time, steered by what is known."""

    def __init__(self, spec: NetworkSpec, reading_width: int) -> None:
        super().__init__(reading_width)
        self.item = Projection(reading_width, spec.width)
        self.pool = ItemPool(spec.width)
        self.film = Film(CARD_WIDTH + OPERATING_WIDTH, spec.width)

    def reading(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return features of each segment, (batch, segments, reading width)."""
        raise NotImplementedError

    @override
    def forward(self, arrays: Mapping[str, Tensor]) -> Encoded:
        """Return the embedding, the segments and the mean of their readings."""
        mask = arrays["audio_mask"]  # (batch, segments)
        read = silent(self.reading(arrays), mask)  # (batch, segments, reading width)
        items = self.item(read)  # (batch, segments, width)
        pooled = self.pool(items, mask, arrays["audio_offset"])  # (batch, width)
        known = torch.cat([arrays["card"], arrays["operating"]], dim=-1)
        segments = Items(items, mask, arrays["audio_offset"])
        return Encoded(self.film(pooled, known), segments, None, masked_mean(read, mask))


class Cepstra(nn.Module):
    """Log-mel -> MFCC in dB, their slope and the slope's slope (Davis & Mermelstein, 1980).

    As `features.spectra.cepstra`, with the recipe's normalisation taken back.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        rows = dct(np.eye(recipe.mels), axis=0, norm="ortho")[:_CEPSTRA]
        self.register_buffer("rows", torch.tensor(rows, dtype=torch.float32), persistent=False)
        self._scale, self._mean = recipe.mel_scale, recipe.mel_mean

    @override
    def forward(self, logmel: Tensor) -> Tensor:
        """Return (batch, 60, frames) of normalised log-mel (batch, mels, frames)."""
        decibel = 10.0 * (logmel * self._scale + self._mean)
        still = torch.matmul(self.get_buffer("rows"), decibel)  # (batch, 20, frames)
        slope = _slope(still)
        return torch.cat([still, slope, _slope(slope)], dim=1)  # (batch, 60, frames)


def _slope(rows: Tensor) -> Tensor:
    """Return the regression slope over two frames to either side, the edges repeated."""
    frames = rows.shape[-1]
    padded = functional.pad(rows, (_SLOPE_FRAMES, _SLOPE_FRAMES), mode="replicate")
    total = torch.zeros_like(rows)
    for step in range(1, _SLOPE_FRAMES + 1):
        later = padded[..., _SLOPE_FRAMES + step : _SLOPE_FRAMES + step + frames]
        earlier = padded[..., _SLOPE_FRAMES - step : _SLOPE_FRAMES - step + frames]
        total = total + step * (later - earlier)
    return total / (2 * sum(step**2 for step in range(1, _SLOPE_FRAMES + 1)))


class _MfccRecurrent(SegmentEncoder):
    net: type[nn.LSTM | nn.GRU]

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        hidden = sizes["hidden"]
        super().__init__(spec, 4 * hidden)
        self.cepstra = Cepstra(spec.recipe)
        self.norm = nn.BatchNorm1d(3 * _CEPSTRA)
        self.states = self.net(3 * _CEPSTRA, hidden, batch_first=True, bidirectional=True)

    @override
    def reading(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return [mean ; max] over time of the states of both directions."""
        logmel = arrays["audio_logmel"]
        batch, count = logmel.shape[:2]
        rows = self.norm(self.cepstra(logmel.flatten(0, 1)))  # (batch * segments, 60, frames)
        states = self.states(rows.transpose(1, 2))[0]  # (batch * segments, frames, 2 * hidden)
        read = torch.cat([states.mean(1), states.amax(1)], dim=-1)
        return read.reshape(batch, count, -1)  # (batch, segments, 4 * hidden)


class MfccLstm(_MfccRecurrent):
    """Bidirectional LSTM over cepstra."""

    net = nn.LSTM


class MfccGru(_MfccRecurrent):
    """Bidirectional GRU over cepstra."""

    net = nn.GRU


class DeepCnn(SegmentEncoder):
    """Six blocks of two 3x3 convolutions, halved by averaging (PANNs' Cnn14, its width scaled)."""

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        widths = [sizes["channels"] * 2**at for at in range(_BLOCKS)]
        super().__init__(spec, widths[-1])
        self.bands = nn.BatchNorm1d(spec.recipe.mels)
        self.blocks = nn.ModuleList(
            nn.Sequential(*_convolution(into, out), *_convolution(out, out))
            for into, out in pairwise([1, *widths])
        )

    @override
    def reading(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return max + mean over time of the mean over bands."""
        logmel = arrays["audio_logmel"]
        batch, count = logmel.shape[:2]
        maps = self.bands(logmel.flatten(0, 1)).unsqueeze(1)  # (batch * segments, 1, mels, frames)
        for at, block in enumerate(self.blocks):
            maps = block(maps)
            if at < _BLOCKS - 1 and min(maps.shape[2:]) > 1:
                maps = functional.avg_pool2d(maps, 2)
        rows = maps.mean(2)  # (batch * segments, channels, frames / 32)
        read: Tensor = rows.amax(-1) + rows.mean(-1)
        return read.reshape(batch, count, -1)  # (batch, segments, channels)


class Envelope(SegmentEncoder):
    """The envelope spectrum alone: where impacts repeat."""

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        del sizes
        super().__init__(spec, spec.width)
        self.net = Projection(spec.recipe.envelope_bands, spec.width)

    @override
    def reading(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return features of the envelope spectrum."""
        read: Tensor = self.net(arrays["audio_envelope"])
        return read  # (batch, segments, width)


class Orders(SegmentEncoder):
    """Energies at the machine's own fault orders, which of them are known, and the level."""

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        del sizes
        super().__init__(spec, spec.width)
        known = CARD_WIDTH + OPERATING_WIDTH
        self.net = Projection(2 * len(ORDERS) + LEVEL_WIDTH + known, spec.width)

    @override
    def reading(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return features of the order energies."""
        orders = arrays["audio_orders"]  # (batch, segments, orders)
        each = [arrays[name] for name in ("audio_orders_known", "card", "operating")]
        known = torch.cat(each, dim=-1).unsqueeze(1).expand(-1, orders.shape[1], -1)
        read: Tensor = self.net(torch.cat([orders, arrays["audio_level"], known], dim=-1))
        return read  # (batch, segments, width)


def _convolution(into: int, out: int) -> list[nn.Module]:
    return [nn.Conv2d(into, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
