"""Frames and named crops -> one embedding, and the look of the product alone."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.features.spec import PRODUCT
from mmindustry.fusion.catalogue import TINY_PICTURES, looks
from mmindustry.fusion.encoders.layers import ItemPool, Projection, Separable
from mmindustry.fusion.encoders.shape import Encoder
from mmindustry.fusion.items import Encoded, Items, silent
from mmindustry.fusion.pretrained import Found, fill_from
from mmindustry.fusion.spec import NetworkSpec

_FRAMES = ("frames_1", "frames_2", "frames_3", "frames_grid")
_LAYERS = ("1", "2", "3", "grid")
REGION_WIDTH = 48


class ImageEncoder(Encoder):
    """Whole frames with their change against the asset's baseline, and close-ups of regions.

    Positions matter (a puddle lies below, a needle points somewhere), so grids are flattened, not
    averaged. One net looks at the regions of the machine, one of its own at the product: what is
    wrong with either looks like nothing on the other, and faults may read the product but don't
    teach its net. Every picture is brought to mean 0 and spread 1 first, so that day and night
    look alike.
    """

    def __init__(
        self, spec: NetworkSpec, sizes: Mapping[str, int], pool: nn.Module | None = None
    ) -> None:
        super().__init__(spec.width)
        recipe, width = spec.recipe, spec.width
        channels = {**TINY_PICTURES, **sizes}
        first, second, third, grid = (channels[name] for name in _FRAMES)
        self.frames = nn.Sequential(
            nn.Conv2d(6, first, 4, 4, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            Separable(first, second),
            Separable(second, third),
            *_block(third, grid, 1, 1),
            nn.Flatten(),
        )
        side = (recipe.frame_size // 4 + 3) // 4  # two strides of 2, each rounded up
        self.frame = Projection(grid * side * side, width)
        self.register_buffer("place", _coordinates(recipe.frame_size), persistent=False)
        places = looks(recipe.regions)
        self.looks = {name: at for name, at in places.items() if at}
        self.close_ups = nn.ModuleList(
            CloseUps([channels[f"{name}_{end}"] for end in _LAYERS], len(at), recipe.region_size)
            for name, at in self.looks.items()
        )
        self.order = np.argsort([one for at in places.values() for one in at]).tolist()
        self.pool = ItemPool(width) if pool is None else pool
        regions = len(recipe.regions)
        self.join = nn.Sequential(
            Projection(width + regions * (REGION_WIDTH + 1), width),
            nn.Linear(width, width),
            nn.LayerNorm(width),
        )

    @override
    def forward(self, arrays: Mapping[str, Tensor]) -> Encoded:
        """Return the embedding, the frames and the regions' readings (batch, regions, 48)."""
        items = self._frames(arrays["image_frames"], arrays["image_delta"])
        pooled = self.pool(items, arrays["image_mask"], arrays["image_offset"])  # (batch, width)
        mask = arrays["image_regions_mask"]  # (batch, regions)
        readings = self._readings(arrays["image_regions"], mask)
        regions = torch.cat(readings, dim=1)[:, self.order]  # (batch, regions, 48)
        told = [pooled, *(one.flatten(1) for one in self._untaught(readings)), mask]
        joined: Tensor = self.join(torch.cat(told, dim=-1))
        frames = Items(items, arrays["image_mask"], arrays["image_offset"])
        return Encoded(joined, frames, regions)

    @override
    def adopt(self, found: Found) -> None:
        """Fill it from a bundle's weights."""
        fill_from(self, found.opened(), part="image.")

    def _frames(self, frames: Tensor, delta: Tensor) -> Tensor:
        batch, items = frames.shape[:2]
        place = self.get_buffer("place").expand(batch, items, -1, -1, -1)
        seen = torch.cat([_evened(frames), 4.0 * delta, place], dim=2)  # (batch, items, 6, s, s)
        embedded: Tensor = self.frame(self.frames(seen.flatten(0, 1)))  # (batch * items, width)
        return embedded.reshape(batch, items, -1)  # (batch, items, width)

    def _readings(self, crops: Tensor, mask: Tensor) -> list[Tensor]:
        seen = _evened(crops)
        nets = zip(self.close_ups, self.looks.values(), strict=True)
        return [net(seen[:, places], mask[:, places]) for net, places in nets]

    def _untaught(self, readings: list[Tensor]) -> list[Tensor]:
        """Return the readings, the product's without a way back for what faults teach."""
        named = zip(readings, self.looks, strict=True)
        return [one.detach() if name == PRODUCT else one for one, name in named]


class CloseUps(nn.Module):
    """Crops of regions -> a reading of each: one net, and a matrix for each region.

    A reading is of the grid (a needle), of the strongest response anywhere (a scratch) and of the
    mean (a stain).

    Args:
        channels: Of three convolutions, and those kept of the grid.
        regions: How many.
        size: Side of a crop in pixels.
    """

    def __init__(self, channels: Sequence[int], regions: int, size: int) -> None:
        super().__init__()
        first, second, third, grid = channels
        self.crops = nn.Sequential(
            *_block(3, first, 5, 2), *_block(first, second, 3, 2), *_block(second, third, 3, 2)
        )
        self.thin = nn.Sequential(*_block(third, grid, 1, 1), nn.Flatten())
        seen = grid * (size // 8) ** 2 + 2 * third
        self.reading = nn.Parameter(torch.randn(regions, seen, REGION_WIDTH))
        nn.init.normal_(self.reading, std=seen**-0.5)
        self.norm = nn.Sequential(nn.GELU(), nn.LayerNorm(REGION_WIDTH))

    @override
    def forward(self, crops: Tensor, mask: Tensor) -> Tensor:
        """Return readings (batch, regions, 48), zero where `mask` (batch, regions) is.

        Args:
            crops: (batch, regions, 3, size, size), evened.
            mask: (batch, regions), 1 where a crop is there.
        """
        batch, regions = crops.shape[:2]
        maps: Tensor = self.crops(crops.flatten(0, 1))  # (b * r, third, size / 8, size / 8)
        kept = [self.thin(maps), maps.amax((2, 3)), maps.mean((2, 3))]
        seen = torch.cat(kept, dim=1).reshape(batch, regions, -1)  # (batch, regions, seen)
        read = torch.bmm(seen.transpose(0, 1), self.reading).transpose(0, 1)
        return silent(self.norm(read), mask)


def _block(into: int, out: int, size: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(into, out, size, stride, size // 2, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU()]


def _evened(pictures: Tensor) -> Tensor:
    """Return pictures (batch, items, 3, height, width) with mean 0 and spread 1 each."""
    centred = pictures - pictures.mean((2, 3, 4), keepdim=True)
    spread = centred.square().mean((2, 3, 4), keepdim=True)
    evened: Tensor = centred / torch.sqrt(spread + 1e-3)
    return evened


def _coordinates(size: int) -> Tensor:
    """Return each pixel's place in -1..1, shape (2, size, size) (CoordConv, Liu et al., 2018)."""
    line = torch.linspace(-1.0, 1.0, size)
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([rows, columns])
