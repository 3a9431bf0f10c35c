"""How predictions are computed."""

import re
from dataclasses import dataclass

_DEVICE = re.compile(r"auto|cpu|cuda:\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionPolicy:
    """Which bundle judges, on what device, how many windows at a time."""

    bundle: str = "builtin"
    """Folder of the bundle that serves by default; `builtin` is the one in the package."""
    device: str = "auto"
    """`auto` (the first CUDA device where there is one, else CPU), `cpu` or `cuda:N`."""
    runtime: str = "auto"
    """`onnx` (CPU only, needs no torch), `torch`, or `auto` = onnx on CPU and torch on CUDA."""
    precision: str = "auto"
    """`single`, `half` (CUDA only) or `auto` = half on CUDA and single on CPU."""
    batch: int = 32
    """Most windows in one run of the network, 1..1024."""

    explain_share: float = 0.05
    """Share of the time that may go into explaining flagged windows, 0..0.5; 0 = none is."""
    explain_runs: int = 256
    """Extra runs of the network in one step, 1..10000: the first window to pass it is the last
    explained there."""

    def __post_init__(self) -> None:
        """Refuse what no predictor can be opened with."""
        if not _DEVICE.fullmatch(self.device):
            raise ValueError(f"device is {self.device!r}; give auto, cpu or cuda:N")
        if self.runtime not in ("auto", "onnx", "torch"):
            raise ValueError(f"runtime is {self.runtime!r}; give auto, onnx or torch")
        if self.precision not in ("auto", "single", "half"):
            raise ValueError(f"precision is {self.precision!r}; give auto, single or half")
        if not 1 <= self.batch <= 1024:
            raise ValueError(f"batch is {self.batch}; it must lie in 1..1024")
        if self.device.startswith("cuda") and self.runtime == "onnx":
            raise ValueError("runtime onnx serves on CPU only; CUDA needs runtime torch or auto")
        if self.device == "cpu" and self.precision == "half":
            raise ValueError("precision half needs a CUDA device; on cpu give single or auto")
        self._check_explaining()

    def _check_explaining(self) -> None:
        if not 0 <= self.explain_share <= 0.5:
            raise ValueError(f"explain_share is {self.explain_share}; it must lie in 0..0.5")
        if not 1 <= self.explain_runs <= 10_000:
            raise ValueError(f"explain_runs is {self.explain_runs}; it must lie in 1..10000")
