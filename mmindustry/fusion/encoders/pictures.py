"""Frames and regions -> one embedding, by any net that turns a picture into features."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.encoders.efficientnet import WIDTH, EfficientNetLite0
from mmindustry.fusion.encoders.image import REGION_WIDTH
from mmindustry.fusion.encoders.layers import ItemPool, Projection
from mmindustry.fusion.encoders.resnet import resnet
from mmindustry.fusion.encoders.shape import Encoder, masked_mean
from mmindustry.fusion.items import Encoded, Items, silent
from mmindustry.fusion.pretrained import Found, fill_from
from mmindustry.fusion.spec import NetworkSpec

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_SPREAD = (0.229, 0.224, 0.225)


class PictureEncoder(Encoder):
    """One net over frames and crops alike; each region has its own reading of its features.

    Args:
        spec: The network's.
        net: Normalised pictures (n, 3, height, width) -> features (n, width).
        width: Of those features.
    """

    mean: tuple[float, float, float] = IMAGENET_MEAN
    spread: tuple[float, float, float] = IMAGENET_SPREAD

    def __init__(self, spec: NetworkSpec, net: nn.Module, width: int) -> None:
        super().__init__(width)
        self.net = net
        self.frame = Projection(width, spec.width)
        count = len(spec.recipe.regions)
        self.reading = nn.Parameter(torch.randn(count, width, REGION_WIDTH) * width**-0.5)
        self.region_norm = nn.Sequential(nn.GELU(), nn.LayerNorm(REGION_WIDTH))
        self.pool = ItemPool(spec.width)
        self.join = nn.Sequential(
            nn.Linear(spec.width + count * (REGION_WIDTH + 1), spec.width),
            nn.LayerNorm(spec.width),
        )
        for name, values in (("shift", self.mean), ("scale", self.spread)):
            self.register_buffer(name, torch.tensor(values).reshape(1, 3, 1, 1), persistent=False)

    @override
    def pretrained_net(self) -> nn.Module:
        return self.net

    @override
    def forward(self, arrays: Mapping[str, Tensor]) -> Encoded:
        """Return the embedding, the frames, the regions (batch, regions, 48) and the features."""
        mask = arrays["image_mask"]  # (batch, frames)
        features = self._features(arrays["image_frames"], mask)  # (batch, frames, features)
        items = self.frame(features)  # (batch, frames, width)
        pooled = self.pool(items, mask, arrays["image_offset"])  # (batch, width)
        there = arrays["image_regions_mask"]  # (batch, regions)
        seen = self._features(arrays["image_regions"], there)  # (batch, regions, features)
        read = torch.bmm(seen.transpose(0, 1), self.reading).transpose(0, 1)
        regions = silent(self.region_norm(read), there)  # (batch, regions, 48)
        joined: Tensor = self.join(torch.cat([pooled, regions.flatten(1), there], dim=-1))
        frames = Items(items, mask, arrays["image_offset"])
        return Encoded(joined, frames, regions, masked_mean(features, mask))

    def _features(self, pictures: Tensor, mask: Tensor) -> Tensor:
        batch, count = pictures.shape[:2]
        clean = torch.where(mask.reshape(batch, count, 1, 1, 1) > 0, pictures, 0.5)
        evened = (clean.flatten(0, 1) - self.get_buffer("shift")) / self.get_buffer("scale")
        features: Tensor = self.net(evened)  # (batch * count, features)
        return features.reshape(batch, count, -1)  # (batch, count, features)

    @override
    def adopt(self, found: Found) -> None:
        """Fill the net from standard weights, the classifier's left out."""
        fill_from(self.net, found.opened(), rename={"fc.": None})


class _ResNetEncoder(PictureEncoder):
    depth: int

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        net = resnet(self.depth, sizes["channels"])
        super().__init__(spec, net, net.width)


class ResNet18(_ResNetEncoder):
    """ResNet-18: 512 features at 64 channels."""

    depth = 18


class ResNet34(_ResNetEncoder):
    """ResNet-34: 512 features at 64 channels."""

    depth = 34


class ResNet50(_ResNetEncoder):
    """ResNet-50: 2048 features at 64 channels."""

    depth = 50


class Lite0(PictureEncoder):
    """EfficientNet-Lite0: 1280 features."""

    mean = (127.0 / 255.0,) * 3
    spread = (128.0 / 255.0,) * 3

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        del sizes
        super().__init__(spec, EfficientNetLite0(), WIDTH)

    @override
    def adopt(self, found: Found) -> None:
        """Fill the net from the published weights, the classifier's left out."""
        fill_from(self.net, found.opened(), rename={"_fc.": None})
