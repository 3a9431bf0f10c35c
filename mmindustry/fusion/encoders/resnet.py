"""ResNet in our own code, its names those of the standard weights (He et al., CVPR 2016)."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    widening = 1

    def __init__(self, into: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _shortcut(into, planes, stride)

    @override
    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (batch, planes, height / stride, width / stride)."""
        kept = maps if self.downsample is None else self.downsample(maps)
        changed = functional.relu(self.bn1(self.conv1(maps)))
        return functional.relu(self.bn2(self.conv2(changed)) + kept)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride, as the standard weights have it) and 1x1 around a shortcut."""

    widening = 4

    def __init__(self, into: int, planes: int, stride: int) -> None:
        super().__init__()
        out = planes * self.widening
        self.conv1 = nn.Conv2d(into, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = _shortcut(into, out, stride)

    @override
    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (batch, 4 * planes, height / stride, width / stride)."""
        kept = maps if self.downsample is None else self.downsample(maps)
        changed = functional.relu(self.bn1(self.conv1(maps)))
        changed = functional.relu(self.bn2(self.conv2(changed)))
        return functional.relu(self.bn3(self.conv3(changed)) + kept)


class ResNet(nn.Module):
    """Stem and four stages; what is left out is the classifier (`fc`).

    Args:
        block: Of which the stages are made.
        counts: Blocks a stage, four numbers.
        channels: Of the first stage; 64 in the standard weights.
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], counts: Sequence[int], channels: int = 64
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        into = channels
        stages = []
        for at, count in enumerate(counts):
            planes = channels * 2**at
            blocks = []
            for number in range(count):
                blocks.append(block(into, planes, 2 if at and not number else 1))
                into = planes * block.widening
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.width = into
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Return the maps of each stage, at 1/4, 1/8, 1/16 and 1/32 of the size."""
        maps = functional.relu(self.bn1(self.conv1(pictures)))  # (batch, channels, h / 2, w / 2)
        maps = functional.max_pool2d(maps, 3, 2, 1)
        found = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = stage(maps)
            found.append(maps)
        return found

    @override
    def forward(self, pictures: Tensor) -> Tensor:
        """Return features (batch, width) of normalised pictures (batch, 3, height, width)."""
        return self.features(pictures)[-1].mean((2, 3))


def resnet(depth: int, channels: int = 64) -> ResNet:
    """Return a ResNet of depth 18, 34 or 50."""
    counts = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}[depth]
    return ResNet(Bottleneck if depth == 50 else BasicBlock, counts, channels)  # noqa: PLR2004


def _shortcut(into: int, out: int, stride: int) -> nn.Module | None:
    if stride == 1 and into == out:
        return None
    return nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))
