"""Where on a product the defect is: a small U-Net, its loss and its ONNX model. Needs torch.

After Ronneberger et al., "U-Net" (MICCAI 2015): an encoder of three levels, a decoder that meets
each level's own detail again. The deepest level looks farther by dilation (Yu and Koltun, ICLR
2016): a hole that is missing is known only by the others around it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.export import exported, free_batch
from mmindustry.fusion.heatmap_runtime import LOGITS, PICTURES, STRIDE

WIDTHS = (12, 24, 48)
_RARE_LOGIT = -4.0
_LEAST_SPREAD = 0.02


class HeatmapNetwork(nn.Module):
    """Says of each pixel of a product's picture how likely it belongs to a defect.

    Pictures are brought to one mean and contrast first, each by itself: the light of a hall and a
    camera's exposure are no defect.
    """

    def __init__(self, widths: tuple[int, int, int] = WIDTHS) -> None:
        super().__init__()
        fine, middle, deep = widths
        self.fine = _block(3, fine)
        self.middle = nn.Sequential(_block(fine, middle, stride=2), _block(middle, middle))
        self.deep = nn.Sequential(
            _block(middle, deep, stride=2),
            _block(deep, deep, dilation=2),
            _block(deep, deep, dilation=4),
        )
        self.to_middle = nn.Conv2d(deep, middle, 1)
        self.at_middle = _block(2 * middle, middle)
        self.to_fine = nn.Conv2d(middle, fine, 1)
        self.at_fine = _block(2 * fine, fine)
        self.say = nn.Conv2d(fine, 1, 1)
        nn.init.constant_(self.say.bias, _RARE_LOGIT)  # type: ignore[arg-type]  # it has a bias

    @override
    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits, shape (batch, 1, side, side).

        Args:
            pictures: RGB 0..1, shape (batch, 3, side, side), side a multiple of `STRIDE`.
        """
        fine = self.fine(_even(pictures))  # (batch, fine, side, side)
        middle = self.middle(fine)  # (batch, middle, side / 2, side / 2)
        deep = self.deep(middle)  # (batch, deep, side / 4, side / 4)
        found = _twice(self.to_middle(deep))  # (batch, middle, side / 2, side / 2)
        found = self.at_middle(torch.cat([found, middle], 1))  # (batch, middle, side / 2, side / 2)
        found = _twice(self.to_fine(found))  # (batch, fine, side, side)
        found = self.at_fine(torch.cat([found, fine], 1))  # (batch, fine, side, side)
        said: Tensor = self.say(found)  # (batch, 1, side, side)
        return said


def heatmap_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Return cross-entropy of the pixels plus soft Dice of the pictures that hold a defect.

    Dice (Milletari et al., 3DV 2016) keeps a few defect pixels from drowning in the rest. A
    picture without a defect has no overlap to ask for, whatever is said: it teaches by its
    cross-entropy alone, and a batch of such pictures has a Dice of 0.

    Args:
        logits: Shape (batch, 1, side, side).
        masks: 1 where the defect is, else 0; same shape.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, masks)
    said, true = logits.sigmoid().flatten(1), masks.flatten(1)  # (batch, side * side)
    bad = (true.sum(1) > 0).to(said.dtype)  # (batch,)
    overlap = (2 * (said * true).sum(1) + 1) / (said.sum(1) + true.sum(1) + 1)  # (batch,)
    return entropy + (bad * (1 - overlap)).sum() / bad.sum().clamp(min=1)


def export_heatmap(network: HeatmapNetwork, side: int) -> bytes:
    """Return the network in evaluation mode as an ONNX model for pictures of `side`, any batch.

    Raises:
        ValueError: `side` is no multiple of `STRIDE`.
    """
    if side < STRIDE or side % STRIDE:
        raise ValueError(f"side is {side}; it must be a multiple of {STRIDE}")
    pictures = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    shapes = free_batch([pictures])
    return exported(network, [pictures], inputs=[PICTURES], outputs=[LOGITS], shapes=shapes)


def _block(given: int, made: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(given, made, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(made), nn.ReLU())


def _even(pictures: Tensor) -> Tensor:
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)  # (batch, 1, 1, 1)
    away = pictures - mean  # (batch, 3, side, side)
    power = (away * away).mean(dim=(1, 2, 3), keepdim=True)  # (batch, 1, 1, 1)
    return away * torch.rsqrt(power.clamp(min=_LEAST_SPREAD**2))


def _twice(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0, mode="nearest")
