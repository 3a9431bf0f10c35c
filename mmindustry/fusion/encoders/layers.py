"""Layers the encoders share: separable convolution, time features, pooling over items, FiLM."""

import torch
from torch import Tensor, nn
from typing_extensions import override

_NEVER = -1e4  # a score that half precision can hold and softmax turns into 0


def root(numbers: Tensor) -> Tensor:
    """Return the square roots of numbers above 0, the same to the bit on every processor: torch
    takes `sqrt` from MKL, whose last digit hangs on the processor's kind."""
    return numbers * torch.rsqrt(numbers)


class Separable(nn.Module):
    """Depthwise 3x3 of stride 2, then pointwise; MobileNet's block (Howard et al., 2017)."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(into, into, 3, 2, 1, groups=into, bias=False),
            nn.Conv2d(into, out, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        )

    @override
    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of half the height and width, shape (batch, out, height / 2, width / 2)."""
        halved: Tensor = self.layers(maps)
        return halved


class Projection(nn.Sequential):
    """Linear, layer norm, GELU: (..., into) -> (..., out)."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__(nn.Linear(into, out), nn.LayerNorm(out), nn.GELU())


class TimeVector(nn.Module):
    """Time2Vec (Kazemi et al., 2019): one linear and `width - 1` periodic features of a time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(1, width)
        nn.init.normal_(self.linear.weight, std=2.0)

    @override
    def forward(self, times: Tensor) -> Tensor:
        """Return features of `times` (batch, items), shape (batch, items, width)."""
        phase: Tensor = self.linear(times.unsqueeze(-1))  # (batch, items, width)
        return torch.cat([phase[..., :1], torch.sin(phase[..., 1:])], dim=-1)


class ItemPool(nn.Module):
    """Masked attention pooling over the items of one modality, newest last (learning.md 4.3).

    h = LN(W [sum_j a_j u_j ; max_j u_j ; u_last - u_first]), a = softmax(w tanh(V u_j) + b d_j)
    over unmasked items; zero before the norm where no item is there.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time = TimeVector(width)
        self.score = nn.Sequential(
            nn.Linear(width, width // 2), nn.Tanh(), nn.Linear(width // 2, 1, bias=False)
        )
        self.recency = nn.Parameter(torch.zeros(1))
        self.out = nn.Sequential(nn.Linear(3 * width, width), nn.LayerNorm(width))

    @override
    def forward(self, items: Tensor, mask: Tensor, times: Tensor) -> Tensor:
        """Return (batch, width) from items (batch, items, width), mask and times (batch, items)."""
        there = (mask > 0).unsqueeze(-1)  # (batch, items, 1)
        times = torch.where(mask > 0, times, torch.zeros_like(times))
        nothing = torch.zeros_like(items)
        timed = torch.where(there, items + 0.1 * self.time(times), nothing)
        score = self.score(timed).squeeze(-1) + self.recency * times  # (batch, items)
        score = torch.where(mask > 0, score, torch.full_like(score, _NEVER))
        share = torch.softmax(score, dim=1).unsqueeze(-1)  # (batch, items, 1)
        mean = (share * timed).sum(1)  # (batch, width); masked items are zero
        top = torch.where(there, timed, torch.full_like(timed, _NEVER)).amax(1)  # (batch, width)
        top = torch.where(there.any(1), top, torch.zeros_like(top))
        change = _last(timed, mask) - _last(timed.flip(1), mask.flip(1))  # (batch, width)
        pooled: Tensor = self.out(torch.cat([mean, top, change], dim=-1))  # (batch, width)
        return pooled


def _last(items: Tensor, mask: Tensor) -> Tensor:
    """Return the last unmasked item, zero where there is none, shape (batch, width)."""
    there = (mask > 0).to(items.dtype)  # (batch, items)
    later = there.flip(1).cumsum(1).flip(1)  # unmasked items from here on
    last = there * (later < 1.5).to(items.dtype)  # noqa: PLR2004 - between 1 and 2
    return (items * last.unsqueeze(-1)).sum(1)


class Film(nn.Module):
    """Scale and shift by what is known of the machine (Perez et al., FiLM, 2018)."""

    def __init__(self, known: int, width: int) -> None:
        super().__init__()
        last = nn.Linear(32, 2 * width)
        nn.init.normal_(last.weight, std=0.01)  # starts as almost no steering
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(nn.Linear(known, 32), nn.GELU(), last)

    @override
    def forward(self, hidden: Tensor, known: Tensor) -> Tensor:
        """Return (1 + g(known)) * hidden + b(known), shape (batch, width)."""
        scale, shift = self.net(known).chunk(2, dim=-1)  # 2 x (batch, width)
        steered: Tensor = (1.0 + scale) * hidden + shift
        return steered
