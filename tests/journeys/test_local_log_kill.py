"""kill -9 of publishers at random moments: what was acknowledged stays, nothing is torn."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmindustry.stream.admin import specs_of
from mmindustry.stream.local.log import LocalLog
from mmindustry.stream.policy import LocalPolicy, TopicsPolicy

WRITER = """
import json, os, sys
from mmindustry.clock import SystemClock
from mmindustry.stream.local.publisher import LocalPublisher
from mmindustry.stream.policy import LocalPolicy
run = sys.argv[2]
publisher = LocalPublisher(LocalPolicy(folder=sys.argv[1]), clock=SystemClock())
for number in range(10**9):
    batch = [(f"k{i}".encode(), f"{run}-{number}-{i}".encode() + os.urandom(9000), ())
             for i in range(3)]
    publisher.send("mm.frames", batch)
    print(json.dumps([run, number]), flush=True)
"""
TOPICS = TopicsPolicy(partitions=2)


def play(folder: Path, rounds: int) -> tuple[int, int]:
    """Kill writers `rounds` times; return how many batches were acknowledged and found."""
    rng = random.Random(7)
    policy = LocalPolicy(folder=str(folder))
    with LocalLog(policy) as log:
        log.create(specs_of(TOPICS))
    acknowledged = set()
    for round_ in range(rounds):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(round_)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        for line in (writer.stdout.readline() for _ in range(rng.randint(1, 25))):
            acknowledged.add(tuple(json.loads(line)))
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        acknowledged |= {tuple(json.loads(line)) for line in writer.stdout if line.endswith("\n")}
        writer.stdout.close()
    found = count_batches(policy)
    assert {(run, int(number)) for run, number in acknowledged} <= set(found)
    assert set(found.values()) == {3}
    return len(acknowledged), len(found)


def count_batches(policy: LocalPolicy) -> dict[tuple[str, int], int]:
    """Return how many messages of each batch the log holds; every offset must be whole."""
    found: dict[tuple[str, int], int] = {}
    with LocalLog(policy) as log:
        layout = log.layouts()["mm.frames"]
        for partition, end in layout.ends.items():
            messages = log.read("mm.frames", partition, 0, end)
            assert [m.position.offset for m in messages] == list(range(end))
            for message in messages:
                run, number, _ = (message.value or b"").split(b"-", 2)
                batch = run.decode(), int(number)
                found[batch] = found.get(batch, 0) + 1
    return found


def test_kill_of_a_publisher_loses_nothing_acknowledged_and_tears_no_batch(tmp_path: Path) -> None:
    acknowledged, found = play(tmp_path, 5)

    assert found - acknowledged in range(6)


@pytest.mark.soak
def test_many_kills_of_publishers_lose_nothing_acknowledged(tmp_path: Path) -> None:
    acknowledged, found = play(tmp_path, 200)

    assert found - acknowledged in range(201)
