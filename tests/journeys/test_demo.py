"""The demo raises the scripted alarm in time, and none where nothing is wrong."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmindustry.daemon.demo import Report, Wish, least_windows
from tests.journeys.stack import environment

BROKEN_PLANT = """
from mmindustry.cli.main import main
from mmindustry.daemon import demo

def run_simulation(*_, **__):
    raise ValueError("a fault of ours")

demo.run_simulation = run_simulation
main()
"""


def demo(
    folder: Path, *words: str, program: tuple[str, ...] = ("-m", "mmindustry")
) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, *program, "demo", "--json", *words],
        cwd=folder,
        env=environment(TMPDIR=str(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else {}, done.stderr


def test_the_first_alarm_is_the_scripted_one_within_a_minute(tmp_path: Path) -> None:
    code, told, stderr = demo(tmp_path, "--until-alarm")

    assert code == 0, stderr
    assert told["seconds_to_alarm"] <= 60
    assert (told["asset"], told["fault"]) == (told["scripted_asset"], told["scripted_fault"])
    assert told["alarm_at"] >= told["onset"]
    assert list(tmp_path.glob("mmindustry-demo-*")) == []


def test_a_healthy_plant_raises_no_alarm(tmp_path: Path) -> None:
    code, told, stderr = demo(tmp_path, "--healthy", "--for", "40s")

    assert (code, told["alarms"], told["as_scripted"]) == (0, 0, True), stderr
    assert told["windows_judged"] >= 10


def test_a_demo_in_which_nothing_was_judged_shows_nothing(tmp_path: Path) -> None:
    code, told, stderr = demo(tmp_path, "--healthy", "--for", "0.1s")

    assert (code, told["windows_judged"], told["as_scripted"]) == (1, 0, False)
    assert "0 windows were judged" in stderr


def test_a_demo_whose_plant_breaks_down_shows_nothing(tmp_path: Path) -> None:
    words = ("--healthy", "--for", "600s")

    code, told, stderr = demo(tmp_path, *words, program=("-c", BROKEN_PLANT))

    assert (code, told["alarms"], told["as_scripted"]) == (1, 0, False)
    assert "cut short: the simulated plant stopped by an error" in stderr


def test_a_demo_that_is_interrupted_before_its_time_says_so(tmp_path: Path) -> None:
    words = (sys.executable, "-m", "mmindustry", "demo", "--healthy", "--for", "600s")
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment(TMPDIR=str(tmp_path)), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("dashboard: ")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()

    assert process.returncode == 130, stderr
    assert "as_scripted: False" in stdout
    assert "cut short: SIGINT" in stderr


@pytest.mark.parametrize(
    "report",
    [
        Report("", "", None, least_windows=10, windows_judged=9),
        Report("", "", None, windows_judged=9, cut_short="the simulated plant stopped"),
    ],
    ids=["too few judged", "cut short"],
)
def test_no_alarm_proves_nothing_where_the_line_did_not_do_its_work(report: Report) -> None:
    assert not report.is_as_scripted


@pytest.mark.parametrize(("seconds", "least"), [(120.0, 50), (40.0, 10), (5.0, 1), (None, 1)])
def test_half_of_what_fits_into_the_time_must_be_judged(seconds: float | None, least: int) -> None:
    assert least_windows(4, Wish(healthy=True, seconds=seconds)) == least


@pytest.mark.soak
@pytest.mark.parametrize("seed", ["7", "8", "9"])
def test_a_healthy_plant_raises_no_alarm_for_two_minutes(tmp_path: Path, seed: str) -> None:
    code, told, stderr = demo(tmp_path, "--healthy", "--for", "120s", "--seed", seed)

    assert (code, told["alarms"], told["as_scripted"]) == (0, 0, True), stderr


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (("--for", "soon"), "--for"),
        (("--for", "0s"), "--for"),
        (("--port", "99999"), "--port"),
        (("--healthy", "--until-alarm"), "--until-alarm"),
    ],
    ids=["no time", "no length", "no port", "both at once"],
)
def test_a_wish_that_makes_no_sense_is_refused_before_anything_starts(
    tmp_path: Path, words: tuple[str, ...], word: str
) -> None:
    code, told, stderr = demo(tmp_path, *words)

    assert (code, told) == (2, {})
    assert word in stderr
