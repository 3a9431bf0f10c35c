"""kill -9, frozen workers, workers that come and go, on real Kafka and PostgreSQL, under load.

Each round: 0 lost, 0 doubled, 0 rows changed, by the sender's own list, id by id.
"""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Self

import pytest

from deploy.local.kafka import LocalKafka
from mmindustry.clock import SystemClock
from mmindustry.daemon.stop import Stop
from mmindustry.store.database import Database, open_database
from mmindustry.store.policy import StorePolicy
from tests.journeys.death_audit import Auditor, all_settled
from tests.journeys.death_crew import (
    Worker,
    closed_gate,
    held_at_gate,
    make_crew,
    on_record,
    still_open,
)
from tests.journeys.death_load import Load, Sent
from tests.journeys.death_watch import Watch, progress
from tests.journeys.stack import until
from tests.servers import TEMPLATE, fresh_database

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(600)]
pytest_plugins = ["tests.kafka_server"]

ROUNDS, SOAK_ROUNDS = 3, 30
IDLE_SECONDS = 5.0
"""After so long the server ends the transaction of a worker that stands still in it."""
SLACK_SECONDS = 2.0
"""How late a busy machine may be in noticing it."""
DRAIN_SECONDS = 10.0

Tell = Callable[[str, object], None]


@pytest.fixture
def servers(postgres_server: str, kafka_broker: LocalKafka) -> tuple[str, str]:
    """The URL of PostgreSQL and the address of Kafka."""
    return postgres_server, kafka_broker.bootstrap_servers


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_no_death_loses_doubles_or_changes_anything(
    seed: int, tmp_path: Path, servers: tuple[str, str], record_property: Tell
) -> None:
    with Round(seed, tmp_path, *servers) as played:
        record_property("told", played.play())


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 100 + SOAK_ROUNDS))
def test_many_deaths_lose_double_or_change_nothing(
    seed: int, tmp_path: Path, servers: tuple[str, str], record_property: Tell
) -> None:
    with Round(seed, tmp_path, *servers) as played:
        record_property("told", played.play())


class Round:
    """One round: a record, topics and workers of its own, and what is done to them."""

    def __init__(self, seed: int, folder: Path, server: str, brokers: str) -> None:
        self._seed = seed
        self._rng = Random(seed)
        self._folder = folder
        self._server = server
        self._brokers = brokers
        self._stack = ExitStack()
        self._clock = SystemClock()
        self.deaths = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            url = stack.enter_context(fresh_database(self._server, TEMPLATE))
            self.crew = make_crew(self._folder, url, self._brokers, stack)
            self.database: Database = open_database(StorePolicy(url=url))
            stack.callback(self.database.close)
            stack.enter_context(self.crew)
            self.load = stack.enter_context(Load(self.crew.stream, self._rng))
            self.watch = stack.enter_context(Watch(url))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def play(self) -> str:
        """Do it all; return what is told of it."""
        clock = self._clock.monotonic
        begun = clock()
        survivor, frozen = self.die_between_the_steps()
        self.wake_after_a_takeover(frozen, survivor)
        newcomers = self.die_at_a_random_moment(survivor)
        self.leave_politely(frozen, newcomers)
        held = self.freeze_in_mid_transaction(*newcomers)
        ended = clock()
        sent = self.rest(newcomers)
        told = self.compare(sent)
        return (
            f"deaths, round {self._seed}: {self.deaths} kills and 2 freezes under load; {told}; "
            f"a frozen transaction was open {held:.1f} s; "
            f"{ended - begun:.0f} + {clock() - ended:.0f} s"
        )

    def die_between_the_steps(self) -> tuple[Worker, Worker]:
        """Let one worker die after (2), one after (3); return their heirs, the second to freeze."""
        crew, rng = self.crew, self._rng
        pair = (
            crew.start(f"after_archive:{rng.randint(2, 8)}"),
            crew.start(f"after_save:{rng.randint(2, 8)}"),
        )
        crew.until(lambda: any(worker.exit for worker in pair), "a death at a named point")
        heir = crew.start()
        crew.until(lambda: all(worker.exit for worker in pair), "two deaths at named points")
        self._note_deaths(*pair)
        return heir, crew.start(f"after_archive:{rng.randint(1, 4)}:stop")

    def wake_after_a_takeover(self, frozen: Worker, other: Worker) -> None:
        """Wait until a worker stands still between (2) and (3) and all is taken from it."""
        self.crew.until(lambda: frozen.is_frozen, "a worker that froze between (2) and (3)")
        self._await_owner(other, partitions=2)
        frozen.signal(signal.SIGCONT)
        self.crew.until(lambda: frozen.fenced > 0, "the woken worker is fenced")
        self._note_load()

    def die_at_a_random_moment(self, victim: Worker) -> tuple[Worker, Worker]:
        """Kill a worker whatever it does just now; return two that join."""
        Stop().wait(self._rng.uniform(0, 1.5))  # the moment is the point: it waits for nothing
        victim.signal(signal.SIGKILL)
        victim.process.wait()
        self._note_deaths(victim)
        return self.crew.start(), self.crew.start()

    def leave_politely(self, leaver: Worker, stayers: tuple[Worker, Worker]) -> None:
        """Let a worker leave by SIGTERM once another has joined."""
        self.crew.until(lambda: any(s.partitions for s in stayers), "a newcomer's partition")
        assert self.crew.dismiss(leaver) < DRAIN_SECONDS
        self.crew.until(lambda: all(s.partitions == 1 for s in stayers), "a partition each")
        self._note_load()

    def freeze_in_mid_transaction(self, frozen: Worker, heir: Worker) -> float:
        """Stop a worker in its transaction; return how long its lock outlived that."""
        url = self.crew.url
        with closed_gate(url):
            self.crew.until(lambda: len(held_at_gate(url)) == 2, "two workers in mid-transaction")
            begun = held_at_gate(url)
            frozen.signal(signal.SIGSTOP)
            until(lambda: frozen.is_frozen, "a frozen worker")
        opened = self._clock.monotonic()
        until(lambda: not still_open(url, begun), f"the end of what was open: {begun}")
        seconds = self._clock.monotonic() - opened
        self._await_owner(heir, partitions=2)
        refused = frozen.fenced
        frozen.signal(signal.SIGCONT)
        self.crew.until(lambda: frozen.fenced > refused, "the woken worker is fenced")
        self._note_load()
        assert seconds < IDLE_SECONDS + SLACK_SECONDS
        return seconds

    def rest(self, workers: tuple[Worker, Worker]) -> list[Sent]:
        """End the load, let the workers finish, let them go; return what was sent."""
        sent = self.load.finish()
        self.crew.until(lambda: all_settled(self.database, sent), "everything is settled")
        for worker in workers:
            assert self.crew.dismiss(worker) < DRAIN_SECONDS
        return sent

    def compare(self, sent: list[Sent]) -> str:
        """Compare what was sent with what is on record; return the counts."""
        changed = self.watch.finish()
        found = Auditor(self.database, sent).audit(self.crew.archive, self.crew.stream)
        assert (found.lost, found.doubled, found.wrong) == ([], [], [])
        assert changed == []
        ledger = self.crew.command("ledger", "--json")
        assert ledger.returncode == 0, ledger.stdout
        self._delete_a_row()
        robbed = self.crew.command("ledger")
        assert (robbed.returncode, "(+1)" in robbed.stdout) == (1, True), robbed.stdout
        counts = ", ".join(f"{count} {what}" for what, count in found.counts.items())
        return (
            f"{counts}; {self.watch.rows} rows looked at {self.watch.looks} times; "
            f"{len(found.lost)} lost, {len(found.doubled)} doubled, "
            f"{len(changed)} changed"
        )

    def _delete_a_row(self) -> None:
        table = self._rng.choice(("entries", "states", "dead_letters"))
        one = f"(SELECT tableoid, ctid FROM {table} LIMIT 1)"  # noqa: S608 - our names
        on_record(self.crew.url, f"DELETE FROM {table} WHERE (tableoid, ctid) IN {one}")  # noqa: S608 - our names

    def _await_owner(self, worker: Worker, *, partitions: int) -> None:
        """Wait until a worker holds so many partitions and has written in each."""
        self.crew.until(lambda: worker.partitions == partitions, "a takeover")
        taken = {p: row["step"] for p, row in progress(self.database).items()}
        self.crew.until(
            lambda: all(r["step"] > taken[p] for p, r in progress(self.database).items()),
            "steps after a takeover",
        )

    def _note_deaths(self, *dead: Worker) -> None:
        for worker in dead:
            assert worker.exit == -signal.SIGKILL, worker.log.read_text()[-3000:]
            self.deaths += 1
        self._note_load()

    def _note_load(self) -> None:
        """Check that the plant goes on talking: what dies, dies under load."""
        count = self.load.count
        assert self.load.runs
        self.crew.until(lambda: self.load.count > count, "more is sent")
