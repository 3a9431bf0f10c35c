"""The demo raises the scripted alarm in time, and none where nothing is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.stack import environment


def demo(folder: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "mmindustry", "demo", "--json", *words],
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

    assert (code, told["alarms"]) == (0, 0), stderr


@pytest.mark.soak
@pytest.mark.parametrize("seed", ["7", "8", "9"])
def test_a_healthy_plant_raises_no_alarm_for_two_minutes(tmp_path: Path, seed: str) -> None:
    code, told, stderr = demo(tmp_path, "--healthy", "--for", "120s", "--seed", seed)

    assert (code, told["alarms"]) == (0, 0), stderr


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
