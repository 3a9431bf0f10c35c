"""One bundle ready to answer: stacks windows, runs the network, judges what it said."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Failed, Features, Prediction
from mmindustry.features.text import Pieces
from mmindustry.fusion.heatmap_runtime import HeatmapRuntime
from mmindustry.fusion.judge import Judge
from mmindustry.fusion.runtime import DeviceMemory, Raw, Runtime

Judged = Prediction | Failed
_JUDGED = ("present", "quality", "image_regions_mask")


class Engine:
    """One bundle ready to answer batches."""

    def __init__(
        self,
        judge: Judge,
        runtime: Runtime,
        heatmap: HeatmapRuntime | None = None,
        pieces: Pieces | None = None,
    ) -> None:
        self.judge = judge
        self.runtime = runtime
        self.heatmap = heatmap
        self.pieces = pieces
        spec = judge.manifest.spec
        shapes = spec.recipe.shapes()
        self._shapes = {name: shapes[name] for name in spec.inputs}
        self._buffers: dict[str, NDArray[Any]] = {}

    def misfit(self, item: Features) -> str | None:
        """Return what of a window's arrays is not as the recipe says; None where all is."""
        for name, (shape, dtype) in self._shapes.items():
            array = item.arrays.get(name)
            if array is None:
                return f"array {name} is missing"
            if array.shape != shape or array.dtype != dtype:
                return f"array {name} is {array.dtype} {array.shape}, expected {dtype} {shape}"
        return None

    def stack(self, items: Sequence[Features]) -> dict[str, NDArray[Any]]:
        """Return the items' arrays with a batch axis; good until the next call.

        The memory is kept: fresh pages for 20 MB a batch would cost a third of the network.
        """
        if len(items) > len(self._buffers.get("present", ())):
            self._buffers = {
                name: np.empty((len(items), *shape), dtype)
                for name, (shape, dtype) in self._shapes.items()
            }
        return {
            name: np.stack([item.arrays[name] for item in items], out=buffer[: len(items)])
            for name, buffer in self._buffers.items()
        }

    def run(self, items: list[Features], batch: int) -> Iterator[tuple[list[Features], Raw]]:
        """Yield raw answers, at most `batch` windows at a time, halved while memory is short.

        Raises:
            DeviceMemory: Not even a single window fits.
        """
        at = 0
        while at < len(items):
            part = items[at : at + batch]
            try:
                raw = self.runtime.run(self.stack(part))
            except DeviceMemory:
                if batch == 1:
                    raise
                batch = max(1, min(batch, len(part)) // 2)
                continue
            yield part, raw
            at += len(part)

    def judged(self, part: list[Features], raw: Raw) -> list[Judged]:
        """Return a prediction a window, or `model_fault` where an answer is not finite."""
        finite = raw.finite()
        clean = Raw(*(np.nan_to_num(array, posinf=0.0, neginf=0.0) for array in raw))
        found = self.judge.predictions(
            part, {name: self.stack_of(part, name) for name in _JUDGED}, clean
        )
        return [
            prediction if good else self.failed(item, "model_fault", "an answer is not finite")
            for item, prediction, good in zip(part, found, finite, strict=True)
        ]

    @staticmethod
    def stack_of(items: Sequence[Features], name: str) -> NDArray[Any]:
        """Return one array of all items with a batch axis."""
        return np.stack([item.arrays[name] for item in items])

    def failed(self, item: Features, reason: str, detail: str) -> Failed:
        """Return why a window has no prediction."""
        bundle = self.judge.manifest.id
        return Failed(item.window, item.end, "predict", reason, detail, bundle)
