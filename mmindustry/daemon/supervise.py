"""Several daemons as one process tree: started in order, restarted when they die, ended as one."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from mmindustry.clock import Clock
from mmindustry.config.policy import RunPolicy
from mmindustry.daemon.life import PARENT
from mmindustry.daemon.stop import Stop
from mmindustry.errors import ChildFailed

_LOOK_SECONDS = 0.2
_LIMIT_WINDOW_SECONDS = 600.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_OURS = "MMINDUSTRY"
_HOPELESS = frozenset((2, 64, 65, 66, 67, 68, 72, 73, 75, 76, 77, 78))
"""Exit codes (sysexits.h, and click's 2 for usage) by which a child says that it would end the same
way again: wrong settings or data, a place it can't write, a port or lock that another holds. The
rest (69 a service is away, 70 a bug, 71 and 74 the system, 1, any signal) may pass."""


@dataclass(frozen=True, slots=True)
class Child:
    """One process to run.

    `name` is for logs; `arguments` are the words after `mmindustry`; `environment` holds variables
    of its own. `sealed`: it knows no setting and no secret but what its arguments and `environment`
    give it. `output` is the file that takes what it prints on stdout; None = our own stdout.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    sealed: bool = False
    output: Path | None = None


class Family:
    """The running children; lives on one thread."""

    def __init__(
        self,
        children: Sequence[Child],
        policy: RunPolicy,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._limit = policy.restart_limit
        self._drain = policy.drain_seconds
        self._clock = clock
        self._log = log
        self._members = [_Member(child) for child in children]
        self.failed: ChildFailed | None = None

    def start(self) -> None:
        """Start every child."""
        for member in self._members:
            self._spawn(member)

    def attend(self) -> bool:
        """Restart what has died; return False where that is hopeless and all must end."""
        for member in self._members:
            if member.running is None:
                if self._clock.monotonic() >= member.due:
                    self._spawn(member)
            elif member.running.poll() is not None and not self._bury(member):
                return False
        return True

    def watch(self, stop: Stop, beat: Callable[[], None] = lambda: None) -> None:
        """Attend until the end is asked for, or a child can't be kept alive."""
        while not stop.wait(_LOOK_SECONDS):
            beat()
            if not self.attend():
                stop.request(str(self.failed))

    def end(self) -> None:
        """Ask every child to drain, wait, and kill what is left after that."""
        running = [m.running for m in self._members if m.running and m.running.poll() is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        until = self._clock.monotonic() + self._drain
        for process in running:
            try:
                process.wait(max(0.1, until - self._clock.monotonic()))
            except subprocess.TimeoutExpired:
                self._log.warning("child_killed", pid=process.pid)
                process.kill()
                process.wait()

    def pids(self) -> dict[str, int]:
        """Return name -> process id of the children that run."""
        return {m.child.name: m.running.pid for m in self._members if m.running}

    def _spawn(self, member: "_Member") -> None:
        child = member.child
        with ExitStack() as stack:
            member.running = subprocess.Popen(  # noqa: S603 - our own program, no shell
                [sys.executable, "-m", "mmindustry", *child.arguments],
                env=environment_of(child, os.environ),
                stdin=subprocess.DEVNULL,
                stdout=stack.enter_context(child.output.open("ab")) if child.output else None,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which ends us in order
            )
        self._log.info("child_started", child=child.name, pid=member.running.pid)

    def _bury(self, member: "_Member") -> bool:
        code = member.running.returncode if member.running else 0
        now = self._clock.monotonic()
        member.running = None
        member.deaths.append(now)
        recent = [death for death in member.deaths if now - death < _LIMIT_WINDOW_SECONDS]
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** (len(recent) - 1), _LONGEST_PAUSE_SECONDS)
        member.due = now + pause
        told = {} if code in _HOPELESS else {"again_in_seconds": pause}
        self._log.error("child_died", child=member.child.name, exit=code, **told)
        if len(recent) >= self._limit or code in _HOPELESS:
            self.failed = ChildFailed(member.child.name, code)
            return False
        return True


def environment_of(child: Child, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return a child's variables: what this process has, the child's own over it.

    A sealed child gets none of ours, and an empty folder of credentials: no secret of this machine
    may change where it writes or whom it tells.
    """
    given = dict(inherited)
    if child.sealed:
        given = {name: text for name, text in given.items() if not name.startswith(_OURS)}
        given["CREDENTIALS_DIRECTORY"] = ""
    return {**given, **child.environment, PARENT: str(os.getpid())}


@dataclass(slots=True)
class _Member:
    child: Child
    running: subprocess.Popen[bytes] | None = None
    due: float = 0.0
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
