"""Workers on one Kafka and one PostgreSQL: started, killed, frozen, woken, asked to leave."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from sqlalchemy import create_engine, make_url, text

from mmindustry.clock import SystemClock
from mmindustry.store.database import open_database
from mmindustry.store.days import ensure_days
from mmindustry.store.policy import StorePolicy
from mmindustry.stream.admin import specs_of
from mmindustry.stream.kafka.admin import KafkaAdmin
from mmindustry.stream.policy import KafkaPolicy, StreamPolicy
from tests.contracts.stream_worlds import PARTITIONS, new_policy
from tests.journeys.stack import end, environment, free_port, page, until
from tests.noise import noise_bundle

LENGTH_SECONDS, HOP_SECONDS = 4, 2
BUDGET_BYTES = 128 * 1024 * 1024
PATIENCE_SECONDS = 90
SESSION_SECONDS = 3.0
_GATE = 4711
"""The advisory lock that every writer of progress passes, shared; who holds it alone stops them."""

_GATEKEEPER = f"""
    CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock_shared({_GATE}); RETURN NULL; END $$;
    CREATE TRIGGER gate AFTER UPDATE ON partition_progress
        FOR EACH ROW EXECUTE FUNCTION pass_gate()"""


@dataclass(slots=True)
class Worker:
    """A running worker: its process, its health pages, its log."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def exit(self) -> int | None:
        return self.process.poll()

    @property
    def is_frozen(self) -> bool:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    @property
    def partitions(self) -> int:
        """How many partitions it says that it holds."""
        return int(self._figure("mmindustry_held_limit_bytes") / BUDGET_BYTES)

    @property
    def fenced(self) -> int:
        """How often its writing was refused, or given up, for it was no longer the owner."""
        return int(self._figure('mmindustry_steps_total{outcome="fenced"}'))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def _figure(self, name: str) -> float:
        for line in page(self.port, "/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0


@dataclass(slots=True)
class Crew:
    """The workers of one round, in a folder with their settings."""

    folder: Path
    url: str
    stream: StreamPolicy
    members: list[Worker] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            if member.exit is None:
                member.process.kill()
            member.process.wait()

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    def start(self, failpoint: str = "") -> Worker:
        """Start a worker, with a death at a named point where one is given."""
        port = free_port()
        more = {"MMINDUSTRY__TELEMETRY__PORT": str(port)}
        if failpoint:
            more |= {"MMINDUSTRY_TESTING": "1", "MMINDUSTRY_FAILPOINT": failpoint}
        log = self.folder / f"worker-{len(self.members)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "mmindustry", "worker", "-c", "mmindustry.yaml"],
                cwd=self.folder,
                env=environment(OMP_NUM_THREADS="1", **more),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.members.append(Worker(process, port, log))
        return self.members[-1]

    def until(self, claim: Callable[[], bool], what: str) -> None:
        """Wait until `claim` holds; no worker may end meanwhile but by SIGKILL or SIGTERM."""

        def holds() -> bool:
            self.check()
            return claim()

        until(holds, what, seconds=PATIENCE_SECONDS)

    def check(self) -> None:
        """Fail with its last words where a worker ended by itself."""
        for member in self.members:
            if member.exit not in (None, 0, -signal.SIGKILL):
                raise AssertionError(f"{member.exit}: {member.log.read_text()[-3000:]}")

    def dismiss(self, worker: Worker) -> float:
        """Ask a worker to leave; return the seconds it took."""
        code, seconds = end(worker.process)
        assert code == 0, worker.log.read_text()[-3000:]
        return seconds

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "mmindustry", *words, "-c", "mmindustry.yaml"],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )


def make_crew(folder: Path, url: str, servers: str, stack: ExitStack) -> Crew:
    """Write the settings, make the topics and the gate; no worker runs yet."""
    stream = replace(
        new_policy(),
        kind="kafka",
        kafka=KafkaPolicy(
            bootstrap_servers=(servers,), request_seconds=60.0, delivery_seconds=60.0
        ),
    )
    admin = stack.enter_context(KafkaAdmin(stream.kafka))
    admin.create(specs_of(stream.topics))
    stack.callback(admin.delete, [spec.name for spec in specs_of(stream.topics)])
    _prepare(url)
    (folder / "mmindustry.yaml").write_text(json.dumps(_settings(folder, url, stream)))
    return Crew(folder, url, stream)


def _prepare(url: str) -> None:
    """Build the gate, and the days that a first claim would build under the watch's eyes."""
    on_record(url, _GATEKEEPER)
    database = open_database(StorePolicy(url=url))
    ensure_days(database, SystemClock().now().date(), database.policy.days_ahead + 1)
    database.close()


def _settings(folder: Path, url: str, stream: StreamPolicy) -> dict[str, Any]:
    topics = stream.topics
    names = ("frames", "audio", "logs", "states", "predictions", "alarms")
    return {
        "config_version": 1,
        "run": {"data_dir": str(folder / "data")},
        "fusion": {"bundle": str(noise_bundle())},
        "stream": {
            "kind": "kafka",
            "topics": {name: getattr(topics, name) for name in names} | {"partitions": PARTITIONS},
            "reading": {"group": stream.reading.group},
            "kafka": {
                "bootstrap_servers": list(stream.kafka.bootstrap_servers),
                "session_seconds": SESSION_SECONDS,
                "heartbeat_seconds": SESSION_SECONDS / 4,
            },
        },
        "codec": {f"{name}_topic": getattr(topics, name) for name in names[:4]},
        "windowing": {
            "name": "w4",
            "length_seconds": LENGTH_SECONDS,
            "hop_seconds": HOP_SECONDS,
            "grace_seconds": 1,
            "max_wait_seconds": 1,
            "budget_bytes": BUDGET_BYTES,
        },
        "record": {"publish_predictions": True},
        "store": {"url": url},
        "archive": {"url": str(folder / "archive"), "shard_seconds": 0.5, "free_bytes": 0},
        "telemetry": {"log_format": "json"},
    }


def on_record(url: str, statement: str) -> list[Any]:
    """Run one statement on the record by itself; return its rows."""
    engine = create_engine(_driven(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = connection.execute(text(statement))
        rows = list(found) if found.returns_rows else []
    engine.dispose()
    return rows


@contextmanager
def closed_gate(url: str) -> Iterator[None]:
    """Hold every transaction that writes progress, in its middle, until the end."""
    engine = create_engine(_driven(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({_GATE})"))
        try:
            yield
        finally:
            connection.execute(text(f"SELECT pg_advisory_unlock({_GATE})"))
    engine.dispose()


def held_at_gate(url: str) -> dict[int, str]:
    """Return process id -> begin of the transactions that wait at the gate."""
    rows = on_record(
        url,
        "SELECT a.pid, a.xact_start::text FROM pg_stat_activity a JOIN pg_locks l USING (pid) "  # noqa: S608 - our own number
        f"WHERE l.locktype = 'advisory' AND l.objid = {_GATE} AND NOT l.granted "
        "AND a.datname = current_database()",
    )
    return {row.pid: row.xact_start for row in rows}


def still_open(url: str, begun: dict[int, str]) -> dict[int, str]:
    """Return process id -> state of those transactions that have not ended."""
    rows = on_record(
        url,
        "SELECT pid, state, xact_start::text FROM pg_stat_activity "
        "WHERE datname = current_database() AND xact_start IS NOT NULL",
    )
    return {row.pid: row.state for row in rows if begun.get(row.pid) == row.xact_start}


def _driven(url: str) -> Any:
    return make_url(url).set(drivername="postgresql+psycopg")
