"""`mmindustry simulate`: stdout is the result, nothing is sent where nothing should be."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmindustry.cli.exits import Exit
from mmindustry.store.equipment import equipment_of
from mmindustry.stream.local.log import LocalLog
from mmindustry.stream.policy import LocalPolicy
from tests.unit.cli.test_main import call


def test_the_equipment_is_what_the_registry_reads(tmp_path: Path) -> None:
    done = call("simulate", "--show", "equipment", cwd=tmp_path)

    assert done.returncode == 0
    assert len(list(equipment_of(json.loads(done.stdout)).assets())) == 4
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_tells_the_truth_and_sends_nothing(tmp_path: Path) -> None:
    words = "simulate --story demo --for 14s --speed max --dry-run --show messages"

    done = call(*words.split(), cwd=tmp_path)

    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert f"would send {len(told)} messages" in done.stderr
    assert {"mm.frames", "mm.audio", "mm.logs", "mm.states"} == {line["topic"] for line in told}
    assert {line["fault"] for line in told} == {"healthy", "bearing_outer"}
    assert list(tmp_path.iterdir()) == []


def test_the_faults_to_come_are_listed_by_onset(tmp_path: Path) -> None:
    done = call("simulate", "--show", "episodes", "--for", "90d", cwd=tmp_path)

    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["onset"] for line in told] == sorted(line["onset"] for line in told)
    assert all(line["severity"][-1] == 1.0 for line in told)


def test_what_is_sent_lies_in_the_log(tmp_path: Path) -> None:
    assert call("topics", "create", cwd=tmp_path).returncode == 0

    done = call(*["simulate", "--story", "healthy", "--for", "3s", "--speed", "max"], cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    log = LocalLog(LocalPolicy(folder=str(tmp_path / "data/stream")))
    try:
        layouts = log.layouts(["mm.frames", "mm.audio", "mm.logs", "mm.states"])
    finally:
        log.close()
    kept = sum(sum(layout.ends.values()) for layout in layouts.values())
    assert f"sent {kept} messages" in done.stderr
    assert kept > 24


@pytest.mark.parametrize(
    "words", ["--speed fast", "--speed 0", "--for soon", "--for 0s"], ids=lambda w: w
)
def test_a_bad_pace_is_refused_with_what_to_give(words: str, tmp_path: Path) -> None:
    done = call("simulate", *words.split(), cwd=tmp_path)

    assert done.returncode == Exit.USAGE
    assert words.split(maxsplit=1)[0] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_play_with_its_own_code_and_the_count(
    tmp_path: Path, number: signal.Signals
) -> None:
    words = "simulate --story demo --dry-run --show messages"
    process = subprocess.Popen(
        [sys.executable, "-m", "mmindustry", *words.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(number)
    rest, told = process.communicate(timeout=30)

    sent = len([first, *rest.splitlines()])
    assert process.returncode == 128 + number
    assert told == f"interrupted: would send {sent} messages\n"
