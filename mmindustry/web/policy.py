"""How a web daemon may be reached, by whom, and what one request may cost."""

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum

from mmindustry.errors import ConfigError

_MIN_TOKEN_LENGTH = 16
_PREFIX = re.compile(r"\A(?:[a-z0-9-]+(?:/[a-z0-9-]+){0,3})?\Z")


class Role(StrEnum):
    """What a person or program may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One who may come in: sent as a bearer token, or as the password beside the name."""

    name: str
    """Name shown beside what was done; also the user name of HTTP Basic."""
    token: str = field(repr=False)
    """Secret, at least 16 characters."""
    role: Role = Role.VIEWER
    """`viewer` reads; `operator` also acknowledges, shelves, comments and labels."""
    scope: str = ""
    """Equipment path prefix (`site/area`) that may be seen; empty = the whole plant."""

    def __post_init__(self) -> None:
        """Refuse what can't protect anything.

        Raises:
            ValueError: Empty name, short token, or a malformed prefix.
        """
        if not self.name or not self.name.isprintable() or ":" in self.name:
            raise ValueError(f"access name {self.name!r}: use printable text without a colon")
        if len(self.token) < _MIN_TOKEN_LENGTH:
            raise ValueError(
                f"access {self.name!r}: the token needs {_MIN_TOKEN_LENGTH} characters"
            )
        if not _PREFIX.match(self.scope):
            raise ValueError(
                f"access {self.name!r}: scope {self.scope!r} is no equipment path prefix"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPolicy:
    """Where a web daemon listens, who may come in, and the limits of one request."""

    host: str = "127.0.0.1"
    """Address to listen on; beyond loopback only with `access` and `secure_transport`."""
    port: int = 8080
    """TCP port, 0..65535; 0 takes a free one."""
    access: tuple[Access, ...] = ()
    """Who may come in; empty = everyone who reaches the address (loopback only)."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names besides loopback and `host` that requests may name (stops DNS rebinding)."""
    secure_transport: bool = False
    """True where a trusted proxy in front speaks TLS: sends HSTS, allows a public address."""
    expose_without_protection: bool = False
    """True listens beyond loopback without access control or TLS. Anyone can then read it all."""
    body_bytes: int = 26_214_400
    """Largest request body in bytes, 1..1 GiB."""
    header_bytes: int = 16_384
    """Largest request head in bytes, 1024..65536."""
    request_seconds: float = 30.0
    """Longest time one request may take, 1..600; live streams are exempt."""
    failed_logins_per_minute: int = 10
    """Refused logins from one address before it must wait, 1..1000."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ValueError: A value is out of its range, or two accesses share a name or token.
        """
        _within("port", self.port, 0, 65_535)
        _within("body_bytes", self.body_bytes, 1, 1 << 30)
        _within("header_bytes", self.header_bytes, 1024, 65_536)
        _within("request_seconds", self.request_seconds, 1, 600)
        _within("failed_logins_per_minute", self.failed_logins_per_minute, 1, 1000)
        for what in ("name", "token"):
            values = [getattr(access, what) for access in self.access]
            if len(set(values)) != len(values):
                raise ValueError(f"access: every {what} must be there once")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in {low:g}..{high:g}, got {value:g}")


def is_loopback(host: str) -> bool:
    """Return whether `host` can be reached from this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_exposure(policy: WebPolicy) -> None:
    """Refuse to listen beyond loopback without access control and TLS.

    Raises:
        ConfigError: The address is public and unprotected; the message says what to set.
    """
    if is_loopback(policy.host) or policy.expose_without_protection:
        return
    lacking = [
        text
        for text, there in (
            ("`access` (at least one name and token)", bool(policy.access)),
            ("`secure_transport: true` (a proxy that speaks TLS)", policy.secure_transport),
        )
        if not there
    ]
    if lacking:
        raise ConfigError(
            f"host {policy.host} is reachable from other machines but {' and '.join(lacking)} "
            "is not set; set it, listen on 127.0.0.1, or take the risk knowingly with "
            "`expose_without_protection: true`"
        )
