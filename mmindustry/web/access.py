"""Who is asking: bearer tokens and HTTP Basic, compared in constant time, with a throttle."""

import base64
import binascii
import hmac
from collections import OrderedDict, deque
from dataclasses import dataclass

from mmindustry.clock import Clock
from mmindustry.web.policy import Role, WebPolicy

_WINDOW_SECONDS = 60.0
_MAX_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """The one who asks; `bearer` True means a program that no browser can be tricked into."""

    name: str
    role: Role
    scope: str
    bearer: bool = False


LOCAL = Principal("local", Role.OPERATOR, "")
"""Everyone, where no access is configured: the daemon then listens on loopback."""


class Gatekeeper:
    """Names the one who asks, and makes guessers wait. One per application."""

    def __init__(self, policy: WebPolicy, clock: Clock) -> None:
        self._access = policy.access
        self._limit = policy.failed_logins_per_minute
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def identify(self, authorization: str) -> Principal | None:
        """Return who `authorization` (the header's value) stands for, or None."""
        if not self._access:
            return LOCAL
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._match(None, credentials.strip(), bearer=True)
        if scheme.lower() == "basic":
            name, token = _basic(credentials.strip())
            return self._match(name, token, bearer=False)
        return None

    def _match(self, name: str | None, token: str, *, bearer: bool) -> Principal | None:
        found = None
        for access in self._access:  # all of them, so that time tells nothing
            same = hmac.compare_digest(access.token.encode(), token.encode())
            if same and name in (None, access.name):
                found = Principal(access.name, access.role, access.scope, bearer)
        return found

    def must_wait(self, address: str) -> bool:
        """Return whether `address` failed too often within the last minute."""
        failures = self._failures.get(address)
        if failures is None:
            return False
        horizon = self._clock.monotonic() - _WINDOW_SECONDS
        while failures and failures[0] < horizon:
            failures.popleft()
        return len(failures) >= self._limit

    def note_failure(self, address: str) -> None:
        """Count a refused login of `address`; the oldest addresses are forgotten first."""
        failures = self._failures.setdefault(address, deque(maxlen=self._limit))
        failures.append(self._clock.monotonic())
        self._failures.move_to_end(address)
        if len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)


def _basic(credentials: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    name, _, token = text.partition(":")
    return name, token
