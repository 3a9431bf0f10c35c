"""A family of processes: restarted when one dies, ended as one, never left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from mmindustry.clock import SystemClock
from mmindustry.config.policy import RunPolicy
from mmindustry.daemon.life import PARENT
from mmindustry.daemon.stop import Stop
from mmindustry.daemon.supervise import Child, Family, environment_of
from mmindustry.telemetry.logs import open_log
from mmindustry.telemetry.policy import TelemetryPolicy

PARENT_PROGRAM = """
import os, subprocess, sys
env = dict(os.environ, MMINDUSTRY_PARENT=str(os.getpid()))
child = subprocess.Popen([sys.executable, "-c", '''
import os, threading
from mmindustry.daemon.stop import Stop, die_with_parent, obey_signals
stop = Stop()
obey_signals(stop, drain_seconds=10)
die_with_parent(int(os.environ["MMINDUSTRY_PARENT"]))
print("up", os.getpid(), flush=True)
stop.wait(60)
'''], env=env, start_new_session=True, stdout=subprocess.PIPE)
sys.stdout.write(child.stdout.readline().decode())
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


def family(*children: Child, restart_limit: int = 5) -> Family:
    clock = SystemClock()
    log = open_log(TelemetryPolicy(), StringIO(), clock)
    policy = RunPolicy(restart_limit=restart_limit, drain_seconds=5)
    return Family(children, policy, clock=clock, log=log)


def until(claim: Callable[[], bool], *, seconds: float = 60) -> None:
    clock, pause = SystemClock(), Stop()
    deadline = clock.monotonic() + seconds
    while not claim():
        assert clock.monotonic() < deadline, "it never came to be"
        pause.wait(0.02)


def test_a_child_that_dies_is_started_again_and_ended_with_the_rest() -> None:
    # `config init --stdout` ends at once: a child that always dies
    mortal = Child("mortal", ("config", "init", "--stdout"), output=Path(os.devnull))
    kin = family(mortal, restart_limit=50)
    kin.start()
    first = kin.pids()["mortal"]

    until(lambda: kin.attend() and kin.pids().get("mortal", first) != first)

    kin.end()


def test_a_family_whose_child_can_not_live_gives_up_and_names_it(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("nonsense: 1\n")
    kin = family(Child("bad", ("config", "show", "-c", str(bad))))
    stop = Stop()
    kin.start()

    kin.watch(stop)

    assert kin.failed is not None
    assert kin.failed.exit_code == 78
    assert stop.reason.startswith("bad can't be kept alive")
    kin.end()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("version", "--nonsense"), 2),
        (("feed", "nowhere.yaml"), 65),
        (("config", "init", "/proc/nowhere/mmindustry.yaml"), 73),
    ],
    ids=["usage", "data", "folder"],
)
def test_a_child_that_says_another_start_is_useless_is_not_started_again(
    words: tuple[str, ...], code: int
) -> None:
    assert given_up(words) == (code, 1)


def test_a_child_whose_trouble_may_pass_is_started_again() -> None:
    # strict, the doctor fails over a plant without receivers of alarms: an end with 1
    assert given_up(("doctor", "--strict")) == (1, 2)


def given_up(words: tuple[str, ...]) -> tuple[int, int]:
    """Return a child's exit code, and after how many deaths a family that admits two gave it up."""
    told = StringIO()
    clock = SystemClock()
    log = open_log(TelemetryPolicy(), told, clock)
    child = Child("mortal", words, output=Path(os.devnull))
    kin = Family([child], RunPolicy(restart_limit=2), clock=clock, log=log)
    kin.start()

    kin.watch(Stop())

    kin.end()
    assert kin.failed is not None
    return kin.failed.exit_code, told.getvalue().count("child_died")


def test_a_sealed_child_knows_no_setting_of_this_machine() -> None:
    inherited = {
        "PATH": "/bin",
        "MMINDUSTRY__STORE__URL": "sqlite:////srv/prod.db",
        "MMINDUSTRY_CONFIG": "/etc/mmindustry.yaml",
        "CREDENTIALS_DIRECTORY": "/run/credentials/x",
    }
    own = {"MMINDUSTRY__TELEMETRY__PORT": "-1"}

    sealed = environment_of(Child("a", ("worker",), own, sealed=True), inherited)
    free = environment_of(Child("a", ("worker",), own), inherited)

    parent = {PARENT: str(os.getpid())}
    assert sealed == {"PATH": "/bin", "CREDENTIALS_DIRECTORY": "", **own, **parent}
    assert free == {**inherited, **own, **parent}


def test_a_childs_output_goes_where_it_is_told(tmp_path: Path) -> None:
    printed = tmp_path / "version.out"
    kin = family(Child("version", ("version",), output=printed))
    kin.start()

    until(lambda: printed.read_text().startswith("mmindustry"))

    kin.end()


def test_a_child_does_not_outlive_a_parent_that_was_killed() -> None:
    parent = subprocess.run(
        [sys.executable, "-c", PARENT_PROGRAM], capture_output=True, text=True, check=False
    )

    assert parent.returncode == -signal.SIGKILL
    child = int(parent.stdout.split()[1])
    until(lambda: not is_alive(child))


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_first_signal_drains_and_the_second_ends_at_once(number: signal.Signals) -> None:
    # the tests may run under nohup, which leaves SIGHUP ignored
    program = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from mmindustry.daemon.stop import Stop, obey_signals
stop = Stop()
obey_signals(stop, drain_seconds=30)
print("ready", flush=True)
stop.wait(30)
print("draining", stop.reason, flush=True)
import threading
threading.Event().wait(30)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        os.kill(process.pid, number)
        assert process.stdout.readline() == f"draining {number.name}\n"
        os.kill(process.pid, number)

        assert process.wait(10) == 128 + number


def test_a_signal_is_obeyed_wherever_the_main_thread_is() -> None:
    # a handler that set the event itself would wait forever for the lock its own thread holds
    program = """
import os, signal
from mmindustry.daemon.stop import Stop, obey_signals
stop = Stop()
obey_signals(stop, drain_seconds=30)
with stop.event._cond:
    os.kill(os.getpid(), signal.SIGTERM)
print(stop.wait(20), stop.reason, stop.exit_code, flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout == "True SIGTERM 143\n"


def test_a_process_under_nohup_outlives_its_terminal() -> None:
    program = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from mmindustry.daemon.stop import Stop, obey_signals
stop = Stop()
obey_signals(stop, drain_seconds=30)
print("ready", flush=True)
stop.wait(30)
print(stop.reason, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    os.kill(process.pid, signal.SIGHUP)
    os.kill(process.pid, signal.SIGTERM)

    assert process.communicate(timeout=10)[0] == "SIGTERM\n"


def test_a_signal_is_obeyed_while_the_main_thread_runs_no_step_of_python() -> None:
    program = """
import ctypes, os, threading
from mmindustry.daemon.stop import Stop, obey_signals
stop = Stop()
obey_signals(stop, drain_seconds=30)

def tell():
    stop.wait(30)
    print(stop.reason, stop.exit_code, flush=True)
    os._exit(0)

threading.Thread(target=tell).start()
mutex = ctypes.create_string_buffer(64)
library = ctypes.CDLL(None)
library.pthread_mutex_lock(mutex)
print("ready", flush=True)
library.pthread_mutex_lock(mutex)  # for ever, whatever signals come
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    os.kill(process.pid, signal.SIGTERM)

    assert process.communicate(timeout=10)[0] == "SIGTERM 143\n"


def test_a_drain_that_takes_too_long_is_cut_off() -> None:
    program = """
from mmindustry.daemon.stop import Stop, obey_signals
import threading
obey_signals(Stop(), drain_seconds=0.2)
print("ready", flush=True)
threading.Event().wait(30)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    os.kill(process.pid, signal.SIGTERM)

    assert process.wait(10) == 143
    process.stdout.close()
