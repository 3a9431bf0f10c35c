"""The predictor as the worker uses it: timed, and named while it is in hand."""

from collections.abc import Callable, Sequence

from mmindustry.clock import Clock
from mmindustry.daemon.building import crash_loop
from mmindustry.domain import Failed, Features, Prediction
from mmindustry.ports import Marker, Predictor

_STAGE = "predict"
TOGETHER = "predict/together"
"""The name in hand while several windows are predicted at once."""

_WARY_WINDOWS = 1000  # more than a refill brings again after a death


class MarkedPredictor:
    """Predicts all windows together; after a death, one by one, so that the right one is blamed.

    A window that three starts in a row died at is recorded as failed, `crash_loop`.
    """

    def __init__(
        self,
        inner: Predictor,
        *,
        marker: Marker,
        clock: Clock,
        took: Callable[[float], None],
        wary: bool,
    ) -> None:
        """Wrap a predictor.

        Args:
            inner: Does the work.
            marker: Holds the name of what is in hand.
            clock: Measures.
            took: Told the seconds of each batch.
            wary: An earlier start died while predicting: go one by one for a while.
        """
        self._predict = inner.predict
        self._marker = marker
        self._clock = clock
        self._took = took
        self._wary = _WARY_WINDOWS if wary else 0

    def predict(self, features: Sequence[Features | Failed]) -> Sequence[Prediction | Failed]:
        """Return one answer an item, in order; a `Failed` passes through."""
        if not features:
            return []
        if self._wary > 0:
            self._wary -= len(features)
            return [self._alone(item) for item in features]
        return self._together(features)

    def _together(self, features: Sequence[Features | Failed]) -> Sequence[Prediction | Failed]:
        with self._marker.hold(TOGETHER):
            return self._timed(features)

    def _alone(self, item: Features | Failed) -> Prediction | Failed:
        name = f"predict/{item.window.id}"
        if self._marker.condemned(name):
            return crash_loop(item.window, item.end, _STAGE, item.bundle)
        with self._marker.hold(name):
            return self._timed([item])[0]

    def _timed(self, features: Sequence[Features | Failed]) -> Sequence[Prediction | Failed]:
        begun = self._clock.monotonic()
        answers = self._predict(features)
        self._took(self._clock.monotonic() - begun)
        return answers
