"""How a daemon is asked to end: once politely, twice at once."""

import ctypes
import os
import signal
import threading
from queue import SimpleQueue
from types import FrameType

_PR_SET_PDEATHSIG = 1  # prctl(2)


class Stop:
    """A request to end, made once, waited on by every loop.

    `signal` is the number of the signal that made it, 0 where none did.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.reason = ""
        self.signal = 0

    def request(self, reason: str) -> None:
        """Ask every loop to end."""
        self.reason = self.reason or reason
        self.event.set()

    @property
    def exit_code(self) -> int:
        """The code of a command that a signal cut short, as shells count: 130 SIGINT, 143 SIGTERM.

        A daemon that drained has done what it was asked: its code is 0, not this one.
        """
        return 128 + self.signal if self.signal else 0

    def wanted(self) -> bool:
        """Return whether the end was asked for."""
        return self.event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds`; return whether the end was asked for."""
        return self.event.wait(seconds)


def obey_signals(stop: Stop, *, drain_seconds: float) -> None:
    """Let SIGTERM and SIGINT end this process: the first drains, the second ends it at once.

    So does SIGHUP, the end of the terminal, unless `nohup` has it ignored.

    A drain that takes longer than `drain_seconds` is cut off: whatever the step in hand has not
    committed is done anew by the next owner, so cutting loses nothing.

    A handler runs in the main thread, between any two of its steps, and so where that thread may
    hold the very lock that setting an event takes. It only puts the number into a queue that may
    be put into from there; a thread of its own asks the loops to end.
    """
    asked: SimpleQueue[int] = SimpleQueue()

    def on_signal(number: int, _: FrameType | None) -> None:
        if stop.signal or stop.wanted():
            os._exit(128 + number)
        stop.signal = number
        asked.put(number)

    def end() -> None:
        number = asked.get()
        stop.request(signal.Signals(number).name)
        threading.Event().wait(drain_seconds)
        os._exit(128 + number)

    threading.Thread(target=end, name="signals", daemon=True).start()
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, on_signal)


def die_with_parent(parent: int) -> None:
    """Take SIGTERM when the process `parent` that started this one dies (prctl(2), Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
