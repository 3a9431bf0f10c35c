"""The picture steers the ear: a speed read from the tachometer says where faults must sound."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.features.spec import CARD_WIDTH, OPERATING_WIDTH, ORDERS, Recipe
from mmindustry.features.speeds import speeds_rpm
from mmindustry.fusion.encoders.layers import Projection
from mmindustry.fusion.spec import NetworkSpec

SPEED_GAUGE = "speed_rpm"
"""The gauge whose truth teaches to read the dial."""

_CHANNELS = 16
_RATIOS = 12
_TOLD_SPREAD = 0.012
_SPEED_RPM = 3_000.0
_NEAR_NOMINAL = (-0.9, 0.3)


class Steering(nn.Module):
    """Order energies of the speed that dial and sound agree on, added to what is heard.

    For K speeds the recipe gives how the dial looks there and how much each order would hold. One
    small net reads the dial, the same for every place on it, so a hundred pictures teach it; a
    second scores how well the sound fits a speed. Their sum is a posterior p over speeds (attention
    of the picture on the sound, Bahdanau et al., 2015), the steered orders are sum_k p_k orders_k.
    An absent modality has no say, a speed that the drive tells settles it.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        recipe, width, known = spec.recipe, spec.width, CARD_WIDTH + OPERATING_WIDTH
        self.dial = nn.Sequential(
            *(nn.Conv1d(3 * recipe.dial_rings, _CHANNELS, 5, padding=2), nn.GELU()),
            *(nn.Conv1d(_CHANNELS, _CHANNELS, 5, padding=2), nn.GELU()),
            nn.Conv1d(_CHANNELS, 1, 5, padding=2),
        )
        self.fit = nn.Sequential(
            nn.Linear(len(ORDERS), _CHANNELS), nn.GELU(), nn.Linear(_CHANNELS, 1)
        )
        self.usual = nn.Linear(_RATIOS, 1)
        self.orders = nn.Sequential(Projection(len(ORDERS) + known + 2, 96), Projection(96, width))
        self.join = nn.Sequential(nn.Linear(2 * width, width), nn.LayerNorm(width))
        ladder = torch.log(torch.tensor(speeds_rpm(recipe) / _SPEED_RPM))
        self.register_buffer("ladder", ladder, persistent=False)  # (speeds,)
        self.register_buffer("ratios", torch.linspace(*_NEAR_NOMINAL, _RATIOS), persistent=False)

    @override
    def forward(self, heard: Tensor, arrays: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the sound's embedding (batch, width) steered, and what `speeds` returns."""
        speeds = self.speeds(arrays)
        share = speeds[1].exp()  # (batch, speeds)
        orders = (arrays["audio_speeds"] * share.unsqueeze(-1)).sum(1)  # (batch, orders)
        ladder = self.get_buffer("ladder")
        mean = (share * ladder).sum(1, keepdim=True)  # (batch, 1)
        sure = share.amax(1, keepdim=True)  # (batch, 1)
        read = self.orders(
            torch.cat([orders, arrays["card"], arrays["operating"], mean, sure], dim=-1)
        )
        steered: Tensor = self.join(torch.cat([heard, read], dim=-1))  # (batch, width)
        return steered, speeds

    def speeds(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return log p of each speed, (2, batch, speeds): by the dial and the nameplate alone, and
        by all that is there, with the sound and what the drive tells."""
        present = arrays["present"]  # (batch, 3): image, audio, text
        looks = (arrays["image_dial_known"] * present[:, :1]) > 0  # (batch, 1)
        dial = self.dial(arrays["image_dial"].transpose(1, 2)).squeeze(1)  # (batch, speeds)
        seen = self._usual(arrays["card"]) + torch.where(looks, dial, torch.zeros_like(dial))
        fit = self.fit(arrays["audio_speeds"]).squeeze(-1)  # (batch, speeds)
        heard = torch.where(present[:, 1:2] > 0, fit, torch.zeros_like(fit))
        told = self._told(arrays["operating"])
        knows = arrays["operating"][:, 3:4] > 0  # (batch, 1): the speed's validity
        both = torch.where(knows, told, seen + heard)
        return torch.log_softmax(torch.stack([seen, both]), dim=2)

    def _usual(self, card: Tensor) -> Tensor:
        """Return a score for each speed by its ratio to the nameplate's, (batch, speeds)."""
        nominal, known = card[:, :1], card[:, 1:2] > 0  # (batch, 1), shares of 3,000 rpm
        log_nominal = torch.log(nominal.clamp(min=1e-3))
        apart = self.get_buffer("ladder").unsqueeze(0) - log_nominal  # (batch, speeds)
        bumps = torch.exp(-(((apart.unsqueeze(-1) - self.get_buffer("ratios")) / 0.1) ** 2))
        score = self.usual(bumps).squeeze(-1)  # (batch, speeds)
        return torch.where(known, score, torch.zeros_like(score))

    def _told(self, operating: Tensor) -> Tensor:
        """Return a score that peaks at the speed the drive tells, (batch, speeds)."""
        told = torch.log(operating[:, :1].clamp(min=1e-3))  # (batch, 1)
        score: Tensor = -(((self.get_buffer("ladder") - told) / _TOLD_SPREAD) ** 2) / 2
        return score.clamp(min=-1e3)


def speed_loss(speeds: Tensor, shown: Tensor, recipe: Recipe) -> Tensor:
    """Return the cross entropy in nats of the speeds read by the dial alone and by all, summed.

    Args:
        speeds: (2, batch, speeds) as `Steering` gives them.
        shown: (batch,) what the tachometer truly shows in rpm, NaN = not seen.
        recipe: Gives the speeds.
    """
    there = ~torch.isnan(shown)
    ladder = torch.log(torch.tensor(speeds_rpm(recipe), device=speeds.device))
    step = float(ladder[1] - ladder[0])
    true = torch.log(torch.where(there, shown, 1.0).clamp(min=1.0)).unsqueeze(1)  # (batch, 1)
    wanted = torch.softmax(-(((ladder - true) / step) ** 2) / 2, dim=1)  # (batch, speeds)
    return -(wanted * speeds.mean(0)).sum(1)[there].sum()
