"""Frames and named crops -> one embedding, and the look of the product alone."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.encoders.layers import ItemPool, Projection, Separable
from mmindustry.fusion.spec import NetworkSpec

_FRAME_CHANNELS = (24, 32, 48)
_GRID = 16  # channels kept on the grid before it is flattened
REGION_WIDTH = 32


class ImageEncoder(nn.Module):
    """Whole frames with their change against the asset's baseline, and close-ups of regions.

    Positions matter (a puddle lies below, a needle points somewhere), so grids are flattened, not
    averaged; one net looks at all crops, each region has its own reading of it.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        recipe, width = spec.recipe, spec.width
        first, second, third = _FRAME_CHANNELS
        self.frames = nn.Sequential(
            nn.Conv2d(6, first, 4, 4, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            Separable(first, second),
            Separable(second, third),
            nn.Conv2d(third, _GRID, 1),
            nn.ReLU(),
            nn.Flatten(),
        )
        side = (recipe.frame_size // 4 + 3) // 4  # two strides of 2, each rounded up
        self.frame = Projection(_GRID * side * side, width)
        self.register_buffer("place", _coordinates(recipe.frame_size), persistent=False)
        self.crops = nn.Sequential(*_crop_layers())
        cells = _GRID * (recipe.region_size // 8) ** 2
        self.reading = nn.Parameter(torch.randn(len(recipe.regions), cells, REGION_WIDTH))
        nn.init.normal_(self.reading, std=cells**-0.5)
        self.region_norm = nn.LayerNorm(REGION_WIDTH)
        self.pool = ItemPool(width)
        regions = len(recipe.regions)
        self.join = nn.Sequential(
            Projection(width + regions * (REGION_WIDTH + 1), width), nn.Linear(width, width)
        )

    @override
    def forward(self, arrays: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the embedding (batch, width) and the regions' readings (batch, regions, 32)."""
        items = self._frames(arrays["image_frames"], arrays["image_delta"])
        pooled = self.pool(items, arrays["image_mask"], arrays["image_offset"])  # (batch, width)
        mask = arrays["image_regions_mask"]  # (batch, regions)
        regions = self._regions(arrays["image_regions"], mask)  # (batch, regions, 32)
        joined: Tensor = self.join(torch.cat([pooled, regions.flatten(1), mask], dim=-1))
        return joined, regions

    def _frames(self, frames: Tensor, delta: Tensor) -> Tensor:
        batch, items = frames.shape[:2]
        place = self.get_buffer("place").expand(batch, items, -1, -1, -1)
        seen = torch.cat([frames - 0.5, 2.0 * delta, place], dim=2)  # (batch, items, 6, s, s)
        embedded: Tensor = self.frame(self.frames(seen.flatten(0, 1)))  # (batch * items, width)
        return embedded.reshape(batch, items, -1)  # (batch, items, width)

    def _regions(self, crops: Tensor, mask: Tensor) -> Tensor:
        batch, regions = crops.shape[:2]
        grids: Tensor = self.crops(crops.flatten(0, 1) - 0.5)  # (batch * regions, cells)
        grids = grids.reshape(batch, regions, -1).transpose(0, 1)  # (regions, batch, cells)
        read: Tensor = self.region_norm(torch.bmm(grids, self.reading).transpose(0, 1))
        return torch.where(mask.unsqueeze(-1) > 0, read, torch.zeros_like(read))


def _crop_layers() -> list[nn.Module]:
    return [
        nn.Conv2d(3, 12, 5, 2, 2, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3, 2, 1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Conv2d(24, 32, 3, 2, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, _GRID, 1),
        nn.ReLU(),
        nn.Flatten(),
    ]


def _coordinates(size: int) -> Tensor:
    """Return each pixel's place in -1..1, shape (2, size, size) (CoordConv, Liu et al., 2018)."""
    line = torch.linspace(-1.0, 1.0, size)
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([rows, columns])
