"""A deadline of our own: a frozen server process heeds no timeout that only it could keep."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def cut_after(descriptor: int, seconds: float) -> Iterator[None]:
    """Shut the socket behind `descriptor` unless the block ends within `seconds`.

    Whoever waits on the socket then sees the connection end, as if the server had gone. The timer
    holds a duplicate of the descriptor, so a number used anew meanwhile is never shut.
    """
    twin = socket.socket(fileno=os.dup(descriptor))

    def cut() -> None:
        with suppress(OSError):  # the other end was quicker
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        twin.close()
