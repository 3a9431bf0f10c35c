"""How a daemon is asked to end: once politely, twice at once."""

import ctypes
import os
import select
import signal
import threading

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

    Python runs a handler in the main thread between two of its steps: where that thread may hold
    the very lock that setting an event takes, and not before it comes back from a wait that it has
    just begun. So nothing is left to handlers: the number goes through a pipe as the signal comes
    in (`signal.set_wakeup_fd`), and a thread of its own asks the loops to end.
    """
    signals = _Signals()

    def end() -> None:
        number = signals.wait(None)
        if stop.wanted():
            os._exit(128 + number)
        stop.signal = number
        stop.request(signal.Signals(number).name)
        os._exit(128 + (signals.wait(drain_seconds) or number))

    threading.Thread(target=end, name="signals", daemon=True).start()
    signals.hear()


class _Signals:
    """The signals that end this process, as they come in."""

    def __init__(self) -> None:
        self._obeyed = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self._obeyed.append(signal.SIGHUP)
        self._numbers, self._told = os.pipe()
        os.set_blocking(self._told, False)

    def hear(self) -> None:
        """Take them from now on; a forked child has signals of its own, for the pipe is ours."""
        for number in self._obeyed:
            signal.signal(number, lambda *_: None)  # it is enough that it comes in
        signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=self._forget)

    def wait(self, seconds: float | None) -> int:
        """Wait for the next; return its number, 0 where none came in time."""
        while select.select([self._numbers], [], [], seconds)[0]:
            if (number := os.read(self._numbers, 1)[0]) in self._obeyed:
                return number
        return 0

    def _forget(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in self._obeyed:
            signal.signal(number, signal.SIG_DFL)


def die_with_parent(parent: int) -> None:
    """Take SIGTERM when the process `parent` that started this one dies (prctl(2), Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
