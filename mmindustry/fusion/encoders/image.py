"""Frames and named crops -> one embedding, and the look of the product alone."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.catalogue import TINY_PICTURES
from mmindustry.fusion.encoders.layers import ItemPool, Projection, Separable
from mmindustry.fusion.encoders.shape import Encoder
from mmindustry.fusion.items import Encoded, Items
from mmindustry.fusion.pretrained import Found, fill_from
from mmindustry.fusion.spec import NetworkSpec

_FRAMES = ("frames_1", "frames_2", "frames_3", "frames_grid")
_CROPS = ("crops_1", "crops_2", "crops_3", "crops_grid")
REGION_WIDTH = 48


class ImageEncoder(Encoder):
    """Whole frames with their change against the asset's baseline, and close-ups of regions.

    Positions matter (a puddle lies below, a needle points somewhere), so grids are flattened, not
    averaged; one net looks at all crops, each region has its own reading of it: of the grid (a
    needle), of the strongest response anywhere (a scratch) and of the mean (a stain). Every
    picture is brought to mean 0 and spread 1 first, so that day and night look alike.
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
        first, second, third, grid = (channels[name] for name in _CROPS)
        self.crops = nn.Sequential(
            *_block(3, first, 5, 2), *_block(first, second, 3, 2), *_block(second, third, 3, 2)
        )
        self.thin = nn.Sequential(*_block(third, grid, 1, 1), nn.Flatten())
        seen = grid * (recipe.region_size // 8) ** 2 + 2 * third
        self.reading = nn.Parameter(torch.randn(len(recipe.regions), seen, REGION_WIDTH))
        nn.init.normal_(self.reading, std=seen**-0.5)
        self.region_norm = nn.Sequential(nn.GELU(), nn.LayerNorm(REGION_WIDTH))
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
        regions = self._regions(arrays["image_regions"], mask)  # (batch, regions, 48)
        joined: Tensor = self.join(torch.cat([pooled, regions.flatten(1), mask], dim=-1))
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

    def _regions(self, crops: Tensor, mask: Tensor) -> Tensor:
        batch, regions = crops.shape[:2]
        maps: Tensor = self.crops(_evened(crops).flatten(0, 1))  # (b * r, 32, 8, 8)
        kept = [self.thin(maps), maps.amax((2, 3)), maps.mean((2, 3))]
        seen = torch.cat(kept, dim=1).reshape(batch, regions, -1)  # (batch, regions, seen)
        read = torch.bmm(seen.transpose(0, 1), self.reading).transpose(0, 1)
        read = self.region_norm(read)  # (batch, regions, 48)
        return torch.where(mask.unsqueeze(-1) > 0, read, torch.zeros_like(read))


def _block(into: int, out: int, size: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(into, out, size, stride, size // 2, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU()]


def _evened(pictures: Tensor) -> Tensor:
    """Return pictures (batch, items, 3, height, width) with mean 0 and spread 1 each."""
    centred = pictures - pictures.mean((2, 3, 4), keepdim=True)
    spread = centred.square().mean((2, 3, 4), keepdim=True)
    evened: Tensor = centred * torch.rsqrt(spread + 1e-3)
    return evened


def _coordinates(size: int) -> Tensor:
    """Return each pixel's place in -1..1, shape (2, size, size) (CoordConv, Liu et al., 2018)."""
    line = torch.linspace(-1.0, 1.0, size)
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([rows, columns])
