"""Tokens in forms: a page of another origin can't read them, so it can't send them (CSRF)."""

import hmac
import secrets
from datetime import datetime
from hashlib import sha256
from typing import Annotated

from pydantic import AfterValidator, Field

_LIFE_SECONDS = 12 * 3600
_LONGEST = 2000


def storable(text: str) -> str:
    r"""Return text that every database keeps: NUL and lone surrogates become U+FFFD.

    >>> storable("a\0b") == "a\ufffdb"
    True
    """
    return (
        text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


Said = Annotated[str, AfterValidator(storable), Field(max_length=_LONGEST)]
"""What a person writes into a form."""

Identity = Annotated[str, AfterValidator(storable), Field(max_length=400)]
"""An id that comes back from a page; a mangled one finds nothing."""


class FormTokens:
    """Makes and checks tokens bound to a name and a time. One per application."""

    def __init__(self, secret: str) -> None:
        self._key = secret.encode() if secret else secrets.token_bytes(32)

    def make(self, name: str, now: datetime) -> str:
        """Return a token for `name`, good for 12 hours."""
        issued = str(int(now.timestamp()))
        return f"{issued}.{self._sign(name, issued)}"

    def fits(self, token: str, name: str, now: datetime) -> bool:
        """Return whether `token` was made here for `name` within the last 12 hours."""
        issued, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(name, issued).encode()):
            return False
        return 0 <= now.timestamp() - int(issued) + 1 <= _LIFE_SECONDS

    def _sign(self, name: str, issued: str) -> str:
        return hmac.new(self._key, f"{issued}\n{name}".encode(), sha256).hexdigest()
