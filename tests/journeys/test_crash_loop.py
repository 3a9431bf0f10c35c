"""A picture that kills its decoder is set aside after three deaths, and the rest flows."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np

from mmindustry.clock import SystemClock
from mmindustry.codec.encode import encode
from mmindustry.domain import Frame
from mmindustry.stream.entry import open_publisher
from tests.journeys.stack import START, Stack, end, environment, make_stack, until

KILLER = b"KILL-THE-DECODER"
# the true worker, but for a decoder that aborts at a magic text as broken native code would
PROGRAM = f"""
import os, sys
import cv2
sound = cv2.imdecode
def deadly(data, *rest):
    if {KILLER!r} in data.tobytes():
        os.abort()
    return sound(data, *rest)
cv2.imdecode = deadly
sys.argv = ["mmindustry", "worker"]
from mmindustry.cli import main
main()
"""


def send_killer(stack: Stack) -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    # a comment segment after SOI: harmless to every true decoder
    jpeg = cv2.imencode(".jpg", grey)[1].tobytes()
    comment = b"\xff\xfe" + (len(KILLER) + 2).to_bytes(2, "big") + KILLER
    asset = "n/h/l/pump-1"
    made = encode(
        Frame(jpeg[:2] + comment + jpeg[2:], "image/jpeg", 64, 64),
        event_id="killer",
        source=f"{asset}/cam",
        asset=asset,
        time=START + timedelta(seconds=5, milliseconds=500),
    )
    publisher = open_publisher(stack.stream, clock=SystemClock())
    publisher.send("mm.frames", [(made.key, made.value, made.headers)])
    publisher.close()


def start(stack: Stack) -> subprocess.Popen[bytes]:
    with (stack.folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=stack.folder,
            env=environment(),
            stdout=log,
            stderr=log,
        )


def test_an_item_that_kills_three_starts_is_dead_lettered_and_the_rest_flows(
    tmp_path: Path,
) -> None:
    stack = make_stack(tmp_path, telemetry={"port": -1, "log_format": "json"})
    send_killer(stack)
    sent = stack.send(20) + 1

    deaths = 0
    worker = start(stack)
    try:
        for _ in range(3):
            assert worker.wait(60) == -signal.SIGABRT
            deaths += 1
            worker = start(stack)
        until(lambda: sum(row["received"] for row in stack.ledger()) == sent, "all received")
        until(lambda: _letters(stack) == 1, "one dead letter")
        code, _ = end(worker)
    finally:
        if worker.poll() is None:
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()

    assert (deaths, code) == (3, 0)
    assert '"crash_loop"' in stack.command("dlq", "list", "--json").stdout
    assert stack.command("ledger").returncode == 0


def _letters(stack: Stack) -> int:
    return sum(row["dead_lettered"] for row in stack.ledger())
