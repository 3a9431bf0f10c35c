"""Requests that are sent again under their `Idempotency-Key`: known, and not done twice."""

import threading
from collections import OrderedDict
from hashlib import blake2b

from pydantic import BaseModel

from mmindustry.clock import Clock

_LIFE_SECONDS = 86_400.0
_MOST = 10_000


class Repeats:
    """Remembers for a day what was done under which key, the newest 10,000. One per application.

    After a restart it knows nothing; the record itself then takes an answer or a label that says
    the same as the newest for the same one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._done: OrderedDict[tuple[str, str], tuple[float, bytes]] = OrderedDict()

    def known(self, who: str, key: str, body: BaseModel) -> bool | None:
        """Return whether this was done; None where the key was used for something else."""
        if not key:
            return False
        with self._lock:
            at, digest = self._done.get((who, key), (0.0, b""))
        if not digest or self._clock.monotonic() - at > _LIFE_SECONDS:
            return False
        return True if digest == _digest(body) else None

    def note(self, who: str, key: str, body: BaseModel) -> None:
        """Remember that `body` was done for `who` under `key`."""
        if not key:
            return
        with self._lock:
            self._done[who, key] = (self._clock.monotonic(), _digest(body))
            self._done.move_to_end((who, key))
            if len(self._done) > _MOST:
                self._done.popitem(last=False)


def _digest(body: BaseModel) -> bytes:
    return blake2b(body.model_dump_json(exclude={"token"}).encode(), digest_size=16).digest()
