"""`feed` and `gateway` as a person runs them: real processes, a local log, a SQLite record."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import typer

from mmindustry.cli.feed import feed
from mmindustry.store.database import open_database
from mmindustry.store.plant import list_assets
from mmindustry.store.policy import StorePolicy
from mmindustry.stream.admin import specs_of, tail
from mmindustry.stream.local.log import LocalLog
from mmindustry.stream.policy import LocalPolicy, TopicsPolicy
from tests.codec_samples import png

PLAN = """
name: t
sources:
  - {kind: frames, source: cam-1, asset: a/b/c/d, path: frames, time: interval,
     at: 2026-03-01T08:00:00Z, every: 2s}
"""
COMMAND = [sys.executable, "-m", "mmindustry"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path.cwd())}


def log_of(folder: Path) -> LocalPolicy:
    return LocalPolicy(folder=str(folder / LocalPolicy().folder))


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def frames_in(folder: Path) -> int:
    """Return how many frames the local log holds; 0 while there is none."""
    if not Path(log_of(folder).folder).is_dir():
        return 0
    with LocalLog(log_of(folder)) as log:
        there = log.layouts(["mm.frames"])
        return sum(there["mm.frames"].ends.values()) if there else 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "frames").mkdir()
    for number in range(5):
        (tmp_path / "frames" / f"{number}.png").write_bytes(png(2, 2) + bytes([number]))
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path


@pytest.mark.slow
def test_feed_sends_a_plan_and_tells_what_it_sent(folder: Path) -> None:
    looked = run(folder, "feed", "plan.yaml", "--dry-run", "--json")
    assert json.loads(looked.stdout)["planned"] == 5
    assert not (folder / "data").exists(), "a dry run touches nothing"

    done = run(folder, "feed", "plan.yaml", "--speed", "max", "--json")

    assert done.returncode == 0, done.stderr
    waiting = run(folder, "ledger").stdout
    assert "5 events wait in the log; `mmindustry run`" in waiting
    told = json.loads(done.stdout)
    assert (told["events"], told["sources"]) == (5, {"cam-1": 5})
    assert frames_in(folder) == 5
    url = StorePolicy().url.replace("sqlite:///", f"sqlite:///{folder}/")
    database = open_database(StorePolicy(url=url))
    assert [(asset.path, asset.sensors) for asset in list_assets(database)] == [("a/b/c/d", 1)]
    database.close()


@pytest.mark.slow
def test_a_ledger_without_any_event_says_so_and_makes_no_log(folder: Path) -> None:
    done = run(folder, "ledger")

    assert "nothing waits in the log" in done.stdout
    assert not Path(log_of(folder).folder).exists()


@pytest.mark.slow
def test_a_dry_run_refuses_the_times_that_a_feed_would(folder: Path) -> None:
    (folder / "plan.yaml").write_text(PLAN.replace("2026-", "2099-"))

    for words in (("--dry-run",), ("--speed", "max")):
        done = run(folder, "feed", "plan.yaml", *words)

        assert done.returncode == 65
        assert "lies ahead of the clock" in done.stderr
        assert not done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--dry-run",), ("--speed", "max")])
def test_local_times_that_are_doubtful_are_told_and_fed(
    folder: Path, words: tuple[str, ...]
) -> None:
    (folder / "orders.csv").write_text("Date,Part\n2025-10-26 02:30,seal\n2025-10-26 02:31,seal\n")
    (folder / "plan.yaml").write_text(
        "name: t\nsources:\n"
        "  - {kind: logs, source: cmms, asset: a/b/c/d, path: orders.csv, zone: Europe/Berlin,\n"
        '     format: "%Y-%m-%d %H:%M", columns: {text: Part, time: Date}}\n'
    )

    done = run(folder, "feed", "plan.yaml", *words)

    assert done.returncode == 0
    assert "2 events from 2025-10-26T00:30:00Z to 2025-10-26T00:31:00Z" in done.stdout
    assert "doubtful local times: 2, such as orders.csv:2: 2025-10-26 02:30:00" in done.stderr


def test_a_feed_that_can_not_be_says_why(folder: Path) -> None:
    done = run(folder, "feed", "nowhere.yaml")

    assert done.returncode == 65
    assert "nowhere.yaml can't be read" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("word", ["fast", "", "max speed", "0.5", "nan", "inf"])
def test_a_speed_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(typer.BadParameter, match="give a number of at least 1, or max"):
        feed(Path("plan.yaml"), word)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_feed_says_how_far_it_came(folder: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [*COMMAND, "feed", "plan.yaml", "--speed", "1"],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not frames_in(folder) and time.monotonic() < deadline:
        process.poll()
    process.send_signal(number)
    out, told = process.communicate(timeout=30)

    assert process.returncode == 128 + number
    found = re.search(r"interrupted: sent (\d) of 5 events", told)
    assert found is not None, told
    assert 1 <= int(found[1]) < 5
    assert int(found[1]) == frames_in(folder)
    assert f"sent {found[1]} events from 2026-03-01T08:00:00" in out


@pytest.mark.slow
def test_the_gateway_takes_an_event_and_drains_on_sigterm(folder: Path) -> None:
    with LocalLog(log_of(folder)) as log:
        log.create(specs_of(TopicsPolicy()))
    process = subprocess.Popen(
        [*COMMAND, "gateway"],
        cwd=folder,
        env={**ENVIRONMENT, "MMINDUSTRY__GATEWAY__PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        headers = {
            "ce-specversion": "1.0",
            "ce-id": "1",
            "ce-source": "log-1",
            "ce-subject": "a/b/c/d",
            "ce-type": "io.mmindustry.log.v1",
            "content-type": "text/plain",
        }
        answer = httpx.post(f"{url}/v1/events", headers=headers, content="hot", timeout=30)
        ready = httpx.get(f"{url}/readyz", timeout=30)
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    assert (answer.status_code, answer.json()["kept"]) == (202, "stream")
    assert ready.status_code == 200
    assert code == 0
    with LocalLog(log_of(folder)) as log:
        (message,) = tail(log, "mm.logs", 9)
    assert message.value == b"hot"
