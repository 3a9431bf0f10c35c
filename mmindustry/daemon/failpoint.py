"""Deaths on purpose, for the tests that prove nothing is lost by them."""

import os
import re
import signal
from collections.abc import Callable, Mapping

from mmindustry.errors import InputError

POINTS = ("after_archive", "after_save")
_WANTED = re.compile(rf"({'|'.join(POINTS)})(?::(\d+))?(:stop)?")


def failpoint(environment: Mapping[str, str]) -> Callable[[str], None]:
    """Return what the line calls at its named points: nothing, or a death at the chosen one.

    `MMINDUSTRY_FAILPOINT=after_save` kills (SIGKILL) at the first passing, `after_save:7` at the
    seventh; `after_save:7:stop` freezes (SIGSTOP) there once, and goes on at SIGCONT.

    Raises:
        InputError: A fail point is set outside of tests, or there is none of that name.
    """
    wanted = environment.get("MMINDUSTRY_FAILPOINT", "")
    if not wanted:
        return _nothing
    if environment.get("MMINDUSTRY_TESTING") != "1":
        raise InputError("MMINDUSTRY_FAILPOINT kills this process; it needs MMINDUSTRY_TESTING=1")
    found = _WANTED.fullmatch(wanted)
    if found is None:
        points = ", ".join(POINTS)
        raise InputError(f"MMINDUSTRY_FAILPOINT={wanted}: give one of {points}[:N][:stop]")
    name, passings, stop = found.groups()
    return _Countdown(name, int(passings or "1"), signal.SIGSTOP if stop else signal.SIGKILL)


def _nothing(_: str) -> None:
    return


class _Countdown:
    def __init__(self, name: str, passings: int, end: signal.Signals) -> None:
        self._name = name
        self._left = passings
        self._end = end

    def __call__(self, name: str) -> None:
        if name != self._name:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._end)
