"""A small stack in a folder, its processes, and ways to ask them."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmindustry.clock import SystemClock
from mmindustry.codec.encode import encode
from mmindustry.daemon.stop import Stop
from mmindustry.domain import Chunk, Frame, LogEntry
from mmindustry.stream.admin import specs_of
from mmindustry.stream.entry import open_admin, open_publisher
from mmindustry.stream.policy import LocalPolicy, StreamPolicy
from tests.noise import noise_bundle

ROOT = Path(__file__).parents[2]
ASSETS = ("n/h/l/pump-1", "n/h/l/pump-2")
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stack:
    """A folder with a settings file; commands run inside it."""

    folder: Path
    port: int

    @property
    def stream(self) -> StreamPolicy:
        return StreamPolicy(local=LocalPolicy(folder=str(self.folder / "data" / "stream")))

    def command(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mmindustry", *words],
            cwd=self.folder,
            env=environment(**more),
            capture_output=True,
            text=True,
            check=False,
        )

    def ledger(self) -> list[dict[str, Any]]:
        done = self.command("ledger", "--json")
        rows: list[dict[str, Any]] = json.loads(done.stdout or "{}").get("partitions", [])
        return rows

    def send(self, seconds: int) -> int:
        """Send so many seconds of two machines' frames, sound and text; return the count."""
        rng = np.random.default_rng(1)
        batches: dict[str, list[tuple[bytes, bytes, Any]]] = {}
        for second in range(seconds):
            for asset in ASSETS:
                for topic, message in items(rng, asset, START + timedelta(seconds=second)):
                    batches.setdefault(topic, []).append(message)
        publisher = open_publisher(self.stream, clock=SystemClock())
        for topic, messages in batches.items():
            publisher.send(topic, messages)
        publisher.close()
        return sum(map(len, batches.values()))


def items(
    rng: np.random.Generator, asset: str, time: datetime
) -> Iterator[tuple[str, tuple[bytes, bytes, Any]]]:
    picture = cv2.imencode(".jpg", rng.integers(0, 255, (120, 160, 3), np.uint8))[1].tobytes()
    pcm = rng.normal(0, 2000, 16_000).astype(">i2").tobytes()
    given = (
        ("mm.frames", "cam", Frame(picture, "image/jpeg", 160, 120)),
        ("mm.audio", "mic", Chunk(pcm, "audio/L16;rate=16000;channels=1", 16_000, 1, 16_000)),
        ("mm.logs", "cmms", LogEntry("brg noisy DE, greased")),
    )
    for topic, sensor, content in given:
        if topic != "mm.logs" or time.second % 10 == 0:
            made = encode(
                content,
                event_id=f"{sensor}-{time.isoformat()}",
                source=f"{asset}/{sensor}",
                asset=asset,
                time=time,
            )
            yield topic, (made.key, made.value, made.headers)


def make_stack(folder: Path, **sections: dict[str, Any]) -> Stack:
    """Write settings with an untrained bundle, and make the topics of the local log."""
    stack = Stack(folder, free_port())
    settings: dict[str, Any] = {
        "config_version": 1,
        "fusion": {"bundle": str(noise_bundle())},
        "windowing": {
            "name": "w4",
            "length_seconds": 4,
            "hop_seconds": 4,
            "grace_seconds": 1,
            "max_wait_seconds": 1,
        },
        "archive": {"shard_seconds": 0.5, "free_bytes": 0},
        "telemetry": {"port": stack.port, "log_format": "json"},
        "dashboard": {"port": free_port()},
        **sections,
    }
    (folder / "mmindustry.yaml").write_text(json.dumps(settings))
    admin = open_admin(stack.stream)
    admin.create(specs_of(stack.stream.topics))
    admin.close()
    return stack


def environment(**more: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MMINDUSTRY_")}
    return {**clean, "PYTHONPATH": str(ROOT), **more}


@contextmanager
def running(stack: Stack, *words: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the stack; what is left of it is killed in the end."""
    with (stack.folder / f"{words[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mmindustry", *words],
            cwd=stack.folder,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> tuple[int, float]:
    """Send a signal; return the exit code and the seconds it took."""
    clock = SystemClock()
    begun = clock.monotonic()
    process.send_signal(number)
    code = process.wait(30)
    return code, clock.monotonic() - begun


def until(claim: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    """Wait until `claim` holds; fail with `what` after so long."""
    clock, pause = SystemClock(), Stop()
    deadline = clock.monotonic() + seconds
    while not claim():
        assert clock.monotonic() < deadline, f"it never came to be: {what}"
        pause.wait(0.1)


def page(port: int, path: str) -> tuple[int, str]:
    """Return status and body of a page of a daemon; (0, "") where nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children_of(pid: int) -> list[int]:
    """Return the process ids of a process's children, by /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(pid) and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
