"""Real Apache Kafka on this machine without containers: one command, one broker, KRaft mode.

    python deploy/local/kafka.py                 a broker on a free port until Ctrl-C
    python deploy/local/kafka.py --port 9092 --folder data/kafka

Maven resolves what pom.xml names, once, into a cache folder; a folder is formatted, the broker
starts on 127.0.0.1 and says when it is ready. Needs `java` (17 or newer) and `mvn`; nothing of
mmindustry is imported.
"""
# ruff: noqa: INP001, S603, S607 - a script; the commands it runs are constants

import argparse
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

HERE = Path(__file__).resolve().parent
_READY = "Kafka Server started"
_HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_CLUSTER = "mmindustry-local-kafkaA"
_TRIES = 3


class KafkaUnavailableError(Exception):
    """Kafka can't be run here; the message says what is missing and how to get it."""


def cache_folder() -> Path:
    """Return where the resolved jars are kept, one folder a version of pom.xml."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256((HERE / "pom.xml").read_bytes()).hexdigest()[:12]
    return base / "mmindustry" / f"kafka-{digest}"


def resolve(cache: Path) -> Path:
    """Return the folder that holds the jars; Maven fills it the first time.

    Raises:
        KafkaUnavailableError: Java or Maven is missing, or Maven fails.
    """
    for program, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            raise KafkaUnavailableError(f"no {program}: install it (Debian: {package})")
    if (cache / "complete").exists():
        return cache
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as fresh:
        done = subprocess.run(
            ["mvn", "-B", "-q", "-f", HERE / "pom.xml", "dependency:copy-dependencies",
             f"-DoutputDirectory={fresh}", "-DincludeScope=runtime"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise KafkaUnavailableError(f"mvn failed ({done.returncode}): {done.stdout[-2000:]}")
        (Path(fresh) / "complete").touch()
        with contextlib.suppress(OSError):  # another process was first: its folder is as good
            Path(fresh).rename(cache)
            Path(fresh).mkdir()
    return cache


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings(folder: Path, port: int, controller: int, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the broker's settings for one node that is broker and controller."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "log"),
        "auto.create.topics.enable": "false",
        "num.partitions": "4",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "message.max.bytes": str(32 * 1024 * 1024),
        "log.retention.check.interval.ms": "1000",
        "log.cleaner.enable": "false",
        **extra,
    }


class LocalKafka:
    """One broker: started by `with` or `start`, gone after `stop`; `restart` keeps its data."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Choose where and on what port; nothing runs yet.

        Args:
            folder: Data folder, kept; None = a temporary one, removed by `stop`.
            port: Port on 127.0.0.1; None = a free one.
            extra: Broker settings that come on top.
        """
        self._kept = folder
        self._folder: Path | None = folder
        self._port = port
        self._extra = dict(extra or {})
        self._broker: subprocess.Popen[str] | None = None
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The broker's process id, for tests that stop or kill it.

        Raises:
            KafkaUnavailableError: It does not run.
        """
        if self._broker is None:
            raise KafkaUnavailableError("the broker does not run")
        return self._broker.pid

    def start(self, timeout_seconds: float = 60.0) -> None:
        """Start the broker and wait until it serves.

        Raises:
            KafkaUnavailableError: Something is missing, or the broker's last lines.
        """
        jars = resolve(cache_folder())
        for attempt in range(_TRIES):
            fixed = self._port is not None
            port = self._port or free_port()
            try:
                self._start_on(jars, port, timeout_seconds)
            except KafkaUnavailableError:
                self._end()
                if fixed or attempt == _TRIES - 1:
                    raise
            else:
                self._port = port
                return

    def stop(self, timeout_seconds: float = 20.0) -> None:
        """Stop the broker, kill it where it won't, remove a temporary folder."""
        self._end(timeout_seconds)
        if self._kept is None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def kill(self) -> None:
        """Kill -9 the broker, its data stays."""
        if self._broker is not None:
            self._broker.kill()
            self._broker.wait()
            self._close_pipe()

    def restart(self, timeout_seconds: float = 60.0) -> None:
        """Start again after `kill` or an end, on the same port with the same data."""
        self._end()
        self.start(timeout_seconds)

    def _start_on(self, jars: Path, port: int, timeout_seconds: float) -> None:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="kafka-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "server.properties"
        lines = settings(self._folder, port, free_port(), self._extra).items()
        file.write_text("".join(f"{key}={value}\n" for key, value in lines))
        java = ["java", *_HEAP, f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}",
                "-cp", f"{jars}/*"]  # fmt: skip
        if not (self._folder / "log" / "meta.properties").exists():
            _format(java, file)
        self._lines = []
        self._broker = subprocess.Popen(
            [*java, "kafka.Kafka", file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
        self._await_ready(self._broker, timeout_seconds)

    def _await_ready(self, broker: subprocess.Popen[str], timeout_seconds: float) -> None:
        ready = threading.Event()
        ended = threading.Event()

        def follow() -> None:
            for line in broker.stdout or ():
                self._lines.append(line)
                del self._lines[:-200]
                if _READY in line:
                    ready.set()
            ended.set()
            ready.set()

        threading.Thread(target=follow, name="kafka-output", daemon=True).start()
        if not ready.wait(timeout_seconds) or ended.is_set():
            raise KafkaUnavailableError("the broker did not start:\n" + "".join(self._lines[-30:]))

    def _end(self, timeout_seconds: float = 20.0) -> None:
        if self._broker is None:
            return
        self._broker.send_signal(signal.SIGCONT)
        self._broker.terminate()
        try:
            self._broker.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self._broker.kill()
            self._broker.wait()
        self._close_pipe()

    def _close_pipe(self) -> None:
        if self._broker is not None and self._broker.stdout is not None:
            with contextlib.suppress(OSError, ValueError):
                self._broker.stdout.close()
        self._broker = None


def _format(java: list[str], file: Path) -> None:
    done = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", file],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise KafkaUnavailableError(f"formatting failed: {done.stdout}{done.stderr}")


def main() -> int:
    """Run a broker until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--folder", type=Path, help="data folder, kept (default: temporary)")
    arguments = parser.parse_args()
    asked, told = os.pipe()  # written to as a signal comes in: a handler may wait for this thread
    os.set_blocking(told, False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        with LocalKafka(arguments.folder, port=arguments.port) as broker:
            sys.stdout.write(f"{broker.bootstrap_servers}\n")
            sys.stdout.flush()
            sys.stderr.write("Kafka is ready; Ctrl-C stops it\n")
            os.read(asked, 1)
    except KafkaUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
