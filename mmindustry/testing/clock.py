"""A clock that only moves when it is told to."""

from datetime import datetime, timedelta

from mmindustry.testing.make import BEGINNING


class HandClock:
    """Wall and monotonic time, cranked by hand; `set_back` moves the wall alone."""

    def __init__(self, start: datetime = BEGINNING) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds cranked so far."""
        return self._monotonic

    def crank(self, seconds: float) -> None:
        """Let `seconds` (>= 0) pass on both clocks.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"time passes forward only, got {seconds} s; see set_back")
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def set_back(self, seconds: float) -> None:
        """Move the wall clock alone by -`seconds`, as a clumsy time daemon would."""
        self._now -= timedelta(seconds=seconds)
