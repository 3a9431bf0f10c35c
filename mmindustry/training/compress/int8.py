"""Eight-bit integers where it counts: static quantisation by ONNX Runtime. Needs the torch extra.

Weights a channel, activations a tensor, scales from windows of healthy machines; quantise and
dequantise nodes stay in the graph, so any ONNX Runtime serves it (Jacob et al., CVPR 2018).
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (  # type: ignore[import-untyped]  # ships no types
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import (  # type: ignore[import-untyped]  # no types
    quant_pre_process,
)
from typing_extensions import override

Arrays = Mapping[str, NDArray[Any]]

_MATRIX = 2

SCOPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"convolutions and products": ("Conv", "Gemm", "MatMul"), "convolutions": ("Conv",)}
)
"""What is quantised, the most first: a network that loses too much keeps its products whole."""


def quantised(model: bytes, normal: Sequence[Arrays], scope: str) -> bytes:
    """Return the model with the operators of a scope in eight bits.

    Args:
        model: ONNX bytes, batch axis free.
        normal: Batches of healthy windows; activations' ranges are taken from them.
        scope: A key of `SCOPES`.
    """
    with tempfile.TemporaryDirectory(prefix="mmindustry-int8-") as folder, _quiet():
        plain, ready, small = (Path(folder) / f"{name}.onnx" for name in ("plain", "ready", "int8"))
        plain.write_bytes(model)
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(small),
            _Windows(_inputs(ready), normal),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,  # sums of pairs must not overflow where the CPU lacks VNNI
            op_types_to_quantize=list(SCOPES[scope]),
            nodes_to_exclude=_batched(ready),
            calibrate_method=CalibrationMethod.MinMax,
        )
        return small.read_bytes()


def _inputs(path: Path) -> frozenset[str]:
    return frozenset(entry.name for entry in onnx.load(path).graph.input)


def _batched(path: Path) -> list[str]:
    """Return products with a stack of matrices: ONNX Runtime has no scale a channel for them."""
    graph = onnx.load(path).graph
    stacks = {weight.name for weight in graph.initializer if len(weight.dims) > _MATRIX}
    return [n.name for n in graph.node if n.op_type == "MatMul" and stacks.intersection(n.input)]


class _Windows(CalibrationDataReader):  # type: ignore[misc]  # untyped base
    """Batches in turn, as the calibrator asks for them."""

    def __init__(self, names: frozenset[str], batches: Sequence[Arrays]) -> None:
        self._batches: Iterator[dict[str, NDArray[Any]]] = iter(
            [{name: batch[name] for name in names} for batch in batches]
        )

    @override
    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Return the next batch; None after the last."""
        return next(self._batches, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back remarks on the root logger: what is not found there is told by the gate."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
