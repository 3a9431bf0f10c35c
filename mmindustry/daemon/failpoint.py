"""Deaths on purpose, for the tests that prove nothing is lost by them."""

import os
import signal
from collections.abc import Callable, Mapping

from mmindustry.errors import InputError

POINTS = ("after_archive", "after_save")


def failpoint(environment: Mapping[str, str]) -> Callable[[str], None]:
    """Return what the line calls at its named points: nothing, or SIGKILL at the chosen one.

    `MMINDUSTRY_FAILPOINT=after_save` kills at the first passing, `after_save:7` at the seventh.

    Raises:
        InputError: A fail point is set outside of tests, or there is none of that name.
    """
    wanted = environment.get("MMINDUSTRY_FAILPOINT", "")
    if not wanted:
        return _nothing
    if environment.get("MMINDUSTRY_TESTING") != "1":
        raise InputError("MMINDUSTRY_FAILPOINT kills this process; it needs MMINDUSTRY_TESTING=1")
    name, _, passing = wanted.partition(":")
    if name not in POINTS or not (passing or "1").isdigit():
        raise InputError(f"MMINDUSTRY_FAILPOINT={wanted}: give one of {', '.join(POINTS)}[:N]")
    return _Countdown(name, int(passing or "1"))


def _nothing(_: str) -> None:
    return


class _Countdown:
    def __init__(self, name: str, passings: int) -> None:
        self._name = name
        self._left = passings

    def __call__(self, name: str) -> None:
        if name != self._name:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
