"""Fail points: dead or frozen at the passing that was asked for, and never by accident."""

import os
import signal
import subprocess
import sys

import pytest

from mmindustry.daemon.failpoint import failpoint
from mmindustry.errors import InputError

PASSING = """
import os
from mmindustry.daemon.failpoint import failpoint
pass_ = failpoint(os.environ)
for number in range(5):
    print(number, flush=True)
    pass_("after_save")
    pass_("after_archive")
"""


def passing(wanted: str) -> "subprocess.Popen[str]":
    more = {"MMINDUSTRY_TESTING": "1", "MMINDUSTRY_FAILPOINT": wanted}
    return subprocess.Popen(
        [sys.executable, "-c", PASSING], env={**os.environ, **more}, stdout=-1, text=True
    )


def test_a_fail_point_kills_at_the_passing_it_was_told() -> None:
    told, _ = (process := passing("after_archive:3")).communicate(timeout=60)

    assert process.returncode == -signal.SIGKILL
    assert told.split() == ["0", "1", "2"]


def test_a_fail_point_that_stops_goes_on_when_it_is_woken() -> None:
    with passing("after_save:2:stop") as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        process.send_signal(signal.SIGCONT)
        told, _ = process.communicate(timeout=60)

    assert os.WIFSTOPPED(status)
    assert process.returncode == 0
    assert told.split() == ["0", "1", "2", "3", "4"]


def test_a_fail_point_is_refused_outside_of_tests() -> None:
    with pytest.raises(InputError, match="MMINDUSTRY_TESTING=1"):
        failpoint({"MMINDUSTRY_FAILPOINT": "after_save"})


@pytest.mark.parametrize(
    "wanted", ["after_lunch", "after_save:", "after_save:x", "after_save:1:go"]
)
def test_a_fail_point_of_no_known_name_is_refused(wanted: str) -> None:
    with pytest.raises(InputError, match="after_archive, after_save"):
        failpoint({"MMINDUSTRY_FAILPOINT": wanted, "MMINDUSTRY_TESTING": "1"})


def test_without_a_fail_point_nothing_happens() -> None:
    failpoint({})("after_save")
