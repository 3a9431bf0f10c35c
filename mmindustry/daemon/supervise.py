"""Several daemons as one process tree: started in order, restarted when they die, ended as one."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from mmindustry.clock import Clock
from mmindustry.config.policy import RunPolicy
from mmindustry.daemon.life import PARENT
from mmindustry.daemon.stop import Stop

_LOOK_SECONDS = 0.2
_LIMIT_WINDOW_SECONDS = 600.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_CONFIG_EXIT = 78  # a child that refuses its settings will refuse them again


@dataclass(frozen=True, slots=True)
class Child:
    """One process to run: a name for logs, the words after `mmindustry`, settings of its own."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


class Family:
    """The running children; lives on one thread."""

    def __init__(
        self,
        children: Sequence[Child],
        policy: RunPolicy,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        heard: bool = True,
    ) -> None:
        """Take the children in; `heard`: what they print on stdout is shown."""
        self._limit = policy.restart_limit
        self._drain = policy.drain_seconds
        self._clock = clock
        self._log = log
        self._stdout = None if heard else subprocess.DEVNULL
        self._members = [_Member(child) for child in children]
        self.given_up = ""

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
                stop.request(f"{self.given_up} can't be kept alive")

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
        member.running = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, "-m", "mmindustry", *member.child.arguments],
            env={**os.environ, **member.child.environment, PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which ends us in order
        )
        self._log.info("child_started", child=member.child.name, pid=member.running.pid)

    def _bury(self, member: "_Member") -> bool:
        code = member.running.returncode if member.running else 0
        now = self._clock.monotonic()
        member.running = None
        member.deaths.append(now)
        recent = [death for death in member.deaths if now - death < _LIMIT_WINDOW_SECONDS]
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** (len(recent) - 1), _LONGEST_PAUSE_SECONDS)
        member.due = now + pause
        self._log.error("child_died", child=member.child.name, exit=code, again_in_seconds=pause)
        if len(recent) >= self._limit or code == _CONFIG_EXIT:
            self.given_up = member.child.name
            return False
        return True


@dataclass(slots=True)
class _Member:
    child: Child
    running: subprocess.Popen[bytes] | None = None
    due: float = 0.0
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
