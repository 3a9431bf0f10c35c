"""Serving on CPU by ONNX Runtime: one thread, no spinning, no torch."""

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # ships no types
from typing_extensions import override

from mmindustry.errors import BundleError
from mmindustry.fusion.runtime import Arrays, Raw, Runtime
from mmindustry.fusion.spec import ARRAYS, OUTPUTS


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """Return a model ready to run on CPU.

    One thread a process, since one worker runs per core; idle threads that spin cost the other
    workers their core (performance.md 0.2).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class OnnxRuntime(Runtime):
    """The exported network in an ONNX Runtime session."""

    def __init__(self, model: bytes) -> None:
        self.name = "onnx"
        self._session = open_session(model)
        found = {entry.name for entry in self._session.get_inputs()}
        if unknown := sorted(found.difference(ARRAYS)):
            raise BundleError(f"model.onnx asks for unknown arrays {unknown}")
        self._inputs = tuple(name for name in ARRAYS if name in found)

    @override
    def run(self, arrays: Arrays) -> Raw:
        """Return what the network says; any batch size."""
        found = self._session.run(list(OUTPUTS), {name: arrays[name] for name in self._inputs})
        return Raw(*(np.asarray(part, dtype=np.float32) for part in found))
