"""The end of a command whose reader has gone, as `head` does once it has its lines."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mmindustry.cli.exits import Exit


@contextmanager
def leave_quietly() -> Iterator[None]:
    """End the process in silence where stdout or stderr has no reader any more.

    It stands within typer, which else ends such a command as a failed one.

    Raises:
        SystemExit: With 141, as a shell tells an end by SIGPIPE.
        ConnectionError: Another pipe or connection broke; that is an error like any other.
    """
    try:
        yield
    except BrokenPipeError as error:
        left = [stream.fileno() for stream in (sys.stdout, sys.stderr) if _is_left(stream.fileno())]
        if not left:
            raise ConnectionError(f"a connection broke: {error.strerror}") from error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in left:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
        sys.exit(Exit.UNREAD)


def _is_left(descriptor: int) -> bool:
    """Return whether nobody reads what is written there."""
    looking = select.poll()
    looking.register(descriptor, 0)  # POLLERR and POLLHUP are always told
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in looking.poll(0))
