"""One HTTP POST, safe against where it goes and how long the other side takes.

The name is resolved once, every address it gives is checked, and the connection is made to an
address that was checked: a name that changes its mind between check and use (DNS rebinding) gains
nothing. Nothing is followed, nothing is kept open, and one deadline covers the whole exchange.
"""

import json
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from mmindustry.clock import Clock
from mmindustry.errors import DeliveryFailed, DeliveryRefused

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

_NAT64 = IPv6Network("64:ff9b::/96")
_CHUNK = 8_192
_END = b"\r\n\r\n"
_LAST_INFORMATIONAL = 199


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status code and the first bytes of the body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which addresses may be connected to: all (`trusted`), or public ones and `allow_cidrs`."""

    trusted: bool = False
    allow_cidrs: tuple[str, ...] = ()

    def allows(self, address: Address) -> bool:
        """Return whether a connection to `address` is allowed.

        An IPv4 address inside an IPv6 one (mapped, 6to4, Teredo, NAT64) counts as the IPv4 it is.
        """
        inner = _inner(address)
        if self.trusted or any(_within(inner, cidr) for cidr in self.allow_cidrs):
            return True
        odd = inner.is_multicast or inner.is_reserved or getattr(inner, "is_site_local", False)
        return inner.is_global and not odd


def resolve_name(host: str, port: int) -> list[str]:
    """Return the addresses of a host by the system's resolver, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """Posts JSON within limits. `resolve` is given, so that tests can lie about names."""

    clock: Clock
    reach: Reach
    timeout_seconds: float = 5.0
    response_bytes: int = 65_536
    resolve: Resolve = resolve_name
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def post(self, url: str, document: object, headers: Mapping[str, str] | None = None) -> Reply:
        """Return the answer to one POST of a JSON document.

        Raises:
            DeliveryRefused: The address is not allowed.
            DeliveryFailed: No connection, no answer in time, or an answer too large or broken.
        """
        body = json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
        return self.post_bytes(url, body, headers or {})

    def post_bytes(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Return the answer to one POST of bytes that are JSON already; raises as `post`."""
        parts = urlsplit(url)
        deadline = self.clock.monotonic() + self.timeout_seconds
        address = self._checked(parts)
        try:
            with self._connect(parts, address, deadline) as connection:
                connection.settimeout(self._left(deadline))
                connection.sendall(_request(parts, body, headers))
                return _reply(self._read(connection, deadline))
        except (OSError, ValueError) as error:
            name = f"{parts.hostname} ({address})"
            raise DeliveryFailed(f"{name}: {type(error).__name__}: {error}") from error

    def _checked(self, parts: SplitResult) -> str:
        """Return the address to connect to, all that the name gives having been checked."""
        host = parts.hostname or ""
        try:
            found = self.resolve(host, _port(parts))
        except (OSError, UnicodeError) as error:
            raise DeliveryFailed(f"{host} can't be resolved: {error}") from error
        if not found:
            raise DeliveryFailed(f"{host} has no address")
        for text in found:
            if not self.reach.allows(ip_address(text.partition("%")[0])):
                raise DeliveryRefused(
                    f"{host} resolves to {text}, which is not public; "
                    "add its network to notify.allow_cidrs if it is meant"
                )
        return found[0]

    def _connect(self, parts: SplitResult, address: str, deadline: float) -> socket.socket:
        plain = socket.create_connection((address, _port(parts)), timeout=self._left(deadline))
        if parts.scheme != "https":
            return plain
        try:
            plain.settimeout(self._left(deadline))
            return self.tls.wrap_socket(plain, server_hostname=parts.hostname)
        except BaseException:
            plain.close()
            raise

    def _read(self, connection: socket.socket, deadline: float) -> bytes:
        """Read until the answer is whole. A drip feed meets the deadline, a flood the limit; where
        the head is there by then, the other side has answered and the rest is let go."""
        received = bytearray()
        while len(received) <= self.response_bytes and not _is_complete(bytes(received)):
            try:
                connection.settimeout(self._left(deadline))
                block = connection.recv(_CHUNK)
            except TimeoutError:
                if _END not in received:
                    raise
                break
            if not block:
                break
            received += block
        return bytes(received)

    def _left(self, deadline: float) -> float:
        left = deadline - self.clock.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {self.timeout_seconds:g} s")
        return left


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _request(parts: SplitResult, body: bytes, headers: Mapping[str, str]) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "User-Agent: mmindustry",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _is_complete(received: bytes) -> bool:
    """Return whether head and body are there, so that no end need be waited for."""
    head, found, body = received.partition(_END)
    if not found:
        return False
    fields = {
        name.strip().lower(): value.strip().lower()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if fields.get(b"transfer-encoding") == b"chunked":
        return body.endswith(b"0\r\n\r\n")
    length = fields.get(b"content-length", b"")
    return length.isdigit() and len(body) >= int(length)


def _reply(received: bytes) -> Reply:
    head, found, body = received.partition(_END)
    status_line = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if not found or not status_line[0].startswith(b"HTTP/1.") or len(status_line) == 1:
        raise ValueError("the answer is not HTTP")
    status = int(status_line[1])
    return _reply(body) if status <= _LAST_INFORMATIONAL else Reply(status, body)


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one carries, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _within(address: Address, cidr: str) -> bool:
    network = ip_network(cidr, strict=False)
    return address.version == network.version and address in network
