"""Daemons as an operator meets them: ready, measured, drained, refused, restarted."""

import os
import signal
from pathlib import Path

import pytest

from tests.journeys.stack import (
    children_of,
    end,
    environment,
    free_port,
    is_alive,
    make_stack,
    page,
    running,
    until,
)
from tests.noise import noise_bundle


def test_a_worker_carries_all_it_is_sent_drains_on_sigterm_and_holds_no_torch(
    tmp_path: Path,
) -> None:
    stack = make_stack(tmp_path)
    sent = stack.send(30)
    with running(stack, "worker") as worker:
        until(lambda: page(stack.port, "/readyz")[0] == 200, "ready")
        until(lambda: _received(stack.port) == sent, "all received")
        mapped = Path(f"/proc/{worker.pid}/maps").read_text()
        second = stack.command("worker", MMINDUSTRY__TELEMETRY__PORT="-1")
        code, seconds = end(worker)

    assert "libtorch" not in mapped
    assert second.returncode == 75
    assert "another worker holds" in second.stderr
    assert (code, seconds < 10) == (0, True)
    done = stack.command("ledger", "--json")
    assert done.returncode == 0, done.stdout


def _received(port: int) -> int:
    lines = page(port, "/metrics")[1].splitlines()
    counts = [x for x in lines if x.startswith("mmindustry_events_received_total{")]
    return int(sum(float(line.rpartition(" ")[2]) for line in counts))


def test_a_worker_without_its_database_lives_says_why_and_still_ends(tmp_path: Path) -> None:
    away = f"postgresql://nobody:secret-word@127.0.0.1:{free_port()}/none"
    stack = make_stack(tmp_path, store={"url": away})
    with running(stack, "worker") as worker:
        until(lambda: "database" in page(stack.port, "/readyz")[1], "not ready, and why")
        live, ready = page(stack.port, "/healthz")[0], page(stack.port, "/readyz")[0]
        code, seconds = end(worker)

    assert (live, ready, code) == (200, 503, 0)
    assert seconds < 10
    assert "secret-word" not in (tmp_path / "worker.log").read_text()


@pytest.mark.parametrize(
    ("section", "values", "word"),
    [
        ("windowing", {"length_seconds": 7, "hop_seconds": 7}, "trained for"),
        ("fusion", {"device": "gpu"}, "fusion.device"),
    ],
    ids=["window length", "device"],
)
def test_a_worker_that_can_not_work_as_told_exits_78(
    tmp_path: Path, section: str, values: dict[str, object], word: str
) -> None:
    stack = make_stack(tmp_path, **{section: values | _bundle(section)})

    done = stack.command("worker")

    assert done.returncode == 78
    assert word in done.stderr


def _bundle(section: str) -> dict[str, object]:
    return {"bundle": str(noise_bundle())} if section == "fusion" else {}


def test_run_restarts_what_dies_and_leaves_nothing_behind(tmp_path: Path) -> None:
    stack = make_stack(tmp_path)
    with running(stack, "run") as parent:
        until(lambda: len(children_of(parent.pid)) == 4, "four children")
        until(lambda: page(stack.port + 1, "/readyz")[0] == 200, "the worker is ready")
        (victim, *_) = sorted(children_of(parent.pid))
        os.kill(victim, signal.SIGKILL)
        until(lambda: not is_alive(victim), "dead")
        until(lambda: len(children_of(parent.pid)) == 4, "four children again")
        family = children_of(parent.pid)
        code, seconds = end(parent)

    assert code == 0
    assert seconds < 12
    assert not [pid for pid in family if is_alive(pid)]


def test_a_demo_ended_by_ctrl_c_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    stack = make_stack(tmp_path)
    with running(stack, "demo", TMPDIR=str(tmp_path)) as demo:
        log = tmp_path / "demo.log"
        until(lambda: "dashboard: http://127.0.0.1:" in log.read_text(), "the URL")
        family = children_of(demo.pid)
        made = list(tmp_path.glob("mmindustry-demo-*"))
        code, _ = end(demo, signal.SIGINT)

    assert code == 0
    assert len(family) == 4
    assert len(made) == 1
    assert not made[0].exists()
    assert not [pid for pid in family if is_alive(pid)]


def test_the_environment_of_a_test_holds_no_setting_of_ours() -> None:
    assert not [name for name in environment() if name.startswith("MMINDUSTRY_")]
