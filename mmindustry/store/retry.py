"""Patience with a database that is away: the worker stands still and keeps its membership."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mmindustry.store.database import is_transient
from mmindustry.store.policy import StorePolicy

T = TypeVar("T")

_SLICE_SECONDS = 0.5  # how long we may be deaf to `keep`


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Tries again, with growing pauses and full jitter, until it works or `keep` raises.

    Pauses: M. Brooker, Exponential Backoff and Jitter (AWS Architecture Blog, 2015), "full jitter".
    """

    keep: Callable[[], None]
    """Called between tries and while waiting (`Source.keep`); raises `Fenced` to end it."""

    wait: Callable[[float], object]
    """Waits up to so many seconds; a stop event's `wait`, so that a stop is instant."""

    random: Random
    policy: StorePolicy
    failed: Callable[[Exception], None] = lambda _: None
    """Told of each failed try: for counters and logs."""

    worked: Callable[[], None] = lambda: None
    """Told of each success."""

    def persist(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, once it does; errors that will not pass are raised.

        Raises:
            Fenced: `keep` says that this worker must let go.
        """
        pause = self.policy.retry_first_seconds
        while True:
            try:
                result = work()
            except (DBAPIError, PoolTimeout) as error:
                if not is_transient(error):
                    raise
                self.failed(error)
            else:
                self.worked()
                return result
            self._rest(self.random.uniform(0, pause))
            pause = min(pause * 2, self.policy.retry_most_seconds)

    def _rest(self, seconds: float) -> None:
        self.keep()
        while seconds > 0:
            self.wait(min(seconds, _SLICE_SECONDS))
            seconds -= _SLICE_SECONDS
            self.keep()
