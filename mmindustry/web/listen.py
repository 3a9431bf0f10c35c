"""Sockets that listen, and whether a port is free for one."""

import socket

from mmindustry.errors import Busy


def listen(host: str, port: int, *, remedy: str = "choose another port") -> socket.socket:
    """Return a socket bound to an address of this machine.

    Args:
        host: Name or address.
        port: 0 takes a free one.
        remedy: What to do besides stopping whoever holds the port, for the message.

    Raises:
        Busy: The port is taken, or the host has no address here; the message names both.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise Busy(f"host {host!r} has no address here ({error}); check the setting") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise Busy(
            f"{host}:{port} can't be listened on ({error.strerror}); "
            f"stop what holds it, or {remedy} (0 takes a free one)"
        ) from error
    return listener


def require_free(host: str, port: int, setting: str) -> None:
    """Refuse a port that another process holds; one that is 0 or below is not asked for.

    Raises:
        Busy: It is taken; the message names it and `setting`.
    """
    if port > 0:
        listen(host, port, remedy=f"give {setting} another port").close()
