"""Heat maps on CPU by ONNX Runtime: one thread, no torch."""

import cv2
import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from mmindustry.errors import BundleError

PICTURES, LOGITS = "pictures", "logits"
"""Names of the model's input and output."""

Pictures = NDArray[np.uint8]
Heat = NDArray[np.float32]
_BATCH = 32


class HeatmapRuntime:
    """An exported heat map network; `side`: of the square pictures it reads, in pixels."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        found = [entry.name for entry in self._session.get_inputs()]
        if found != [PICTURES]:
            raise BundleError(f"the heat map model reads {found}; it must read {PICTURES!r} alone")
        self.side = int(self._session.get_inputs()[0].shape[2])

    def heat(self, pictures: Pictures) -> Heat:
        """Return the logit of each pixel to belong to a defect, shape (n, side, side).

        Args:
            pictures: RGB, shape (n, side, side, 3); any n.
        """
        found = np.empty(pictures.shape[:3], np.float32)
        for begin in range(0, len(pictures), _BATCH):
            part = slice(begin, begin + _BATCH)
            given = {PICTURES: planes(pictures[part])}
            found[part] = self._session.run([LOGITS], given)[0][:, 0]
        return found


def planes(pictures: Pictures) -> Heat:
    """Return pictures as the network reads them: (n, 3, side, side), RGB 0..1."""
    scaled = pictures.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(scaled)


def squared(picture: Pictures, side: int) -> Pictures:
    """Return a BGR picture as the square RGB picture that the network reads, (side, side, 3)."""
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
