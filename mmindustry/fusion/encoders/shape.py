"""What every encoder is: the one signature, and how others' weights come in."""

from collections.abc import Mapping
from typing import Self

from torch import Tensor, nn
from typing_extensions import override

from mmindustry.errors import InputError
from mmindustry.fusion.items import Encoded
from mmindustry.fusion.pretrained import Found


class Encoder(nn.Module):
    """Arrays of one modality -> `Encoded`.

    What stands in masked items never matters. `feature_width` is the width of `Encoded.features`,
    or of the embedding where it gives none.
    """

    def __init__(self, feature_width: int) -> None:
        super().__init__()
        self.feature_width = feature_width
        self._frozen = False

    @override
    def forward(self, arrays: Mapping[str, Tensor]) -> Encoded:
        """Return what is told of the modality."""
        raise NotImplementedError

    def pretrained_net(self) -> nn.Module:
        """Return the part of it that others' weights fill, and that may be frozen."""
        return self

    def adopt(self, found: Found) -> None:
        """Fill the pretrained part from a file.

        Raises:
            InputError: The file does not fit.
        """
        raise InputError(f"{found.source}: {type(self).__name__} can't be filled from a file")

    def freeze(self) -> None:
        """Leave the pretrained part as it is from now on, its running statistics too."""
        self._frozen = True
        self.pretrained_net().requires_grad_(requires_grad=False)
        self.train(self.training)

    @override
    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; a frozen part stays in evaluation mode."""
        super().train(mode)
        if self._frozen:
            for module in self.pretrained_net().modules():
                module.training = False
        return self


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over unmasked items, zero where there is none.

    Args:
        values: (..., items, width), anything where masked.
        mask: (..., items), above 0 = there.
    """
    there = (mask > 0).to(values.dtype).unsqueeze(-1)  # (..., items, 1)
    kept = values.masked_fill(there == 0, 0.0)
    total: Tensor = kept.sum(-2) / there.sum(-2).clamp(min=1.0)  # (..., width)
    return total


def masked_max(values: Tensor, mask: Tensor) -> Tensor:
    """Return the largest over unmasked items, zero where there is none; shapes as `masked_mean`."""
    there = (mask > 0).unsqueeze(-1)  # (..., items, 1)
    top = values.masked_fill(~there, -1e4).amax(-2)  # (..., width)
    return top.masked_fill(~there.any(-2), 0.0)
