"""The layout of the database: made by migrations, equal to the tables, upgraded safely."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, text

import mmindustry.store.migrations
from mmindustry.errors import Busy, DependencyDown, StoreError
from mmindustry.store.database import Database, open_database, told_plainly
from mmindustry.store.days import ensure_days
from mmindustry.store.policy import StorePolicy
from mmindustry.store.schema import HEAD, current, require_current, upgrade
from mmindustry.store.tables import entries, metadata, outbox, states
from tests.servers import fresh_database

WHEN = datetime(2026, 1, 5, 6, tzinfo=UTC)


def upgrade_to(database: Database, revision: str) -> None:
    """Bring an empty database to an older layout."""
    config = Config()
    folder = Path(mmindustry.store.migrations.__file__).parent
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/record.db"
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield url


def test_the_migrations_make_exactly_the_tables(empty_url: str) -> None:
    database = open_database(StorePolicy(url=empty_url))
    upgrade(database)

    def ours(name: str | None, kind: str, _: object) -> bool:
        return not (kind == "table" and name is not None and name.endswith("_default"))

    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": ours}
        )
        differences = compare_metadata(context, metadata)
    database.close()

    assert differences == []


def test_the_head_this_code_knows_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option(
        "script_location", str(Path(mmindustry.store.migrations.__file__).parent)
    )
    config.set_main_option("path_separator", "os")

    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_what_stands_in_an_older_layout_is_kept(empty_url: str) -> None:
    database = open_database(StorePolicy(url=empty_url))
    upgrade_to(database, "0002")
    known = {
        "asset": "a/b/c/d",
        "source": "cmms",
        "event_id": "7",
        "time": WHEN,
        "flags": [],
        "append_time": WHEN,
        "topic": "mm.logs",
        "partition": 0,
        "offset": 5,
        "written_at": WHEN,
    }
    bodies = [{"alarm": "x|bearing|1"}, {"fault": "bearing"}]
    ensure_days(database, WHEN.date(), 1)
    with database.write() as connection:
        connection.execute(insert(entries), known | {"end": WHEN, "text": "noisy"})
        connection.execute(insert(states), known | {"running": True})
        for body in bodies:
            row = {"channel": "webhook", "body": body, "created_at": WHEN, "due_at": WHEN}
            connection.execute(insert(outbox), row)

    assert upgrade(database) == ("0002", HEAD)

    with database.write() as connection:
        for table in (entries, states):
            (kept,) = connection.execute(select(table)).mappings()
            assert {name: kept[name] for name in known} == known
            connection.execute(insert(table), {**kept, "asset": "a/b/c/other"})
        told = connection.scalars(select(outbox.c.alarm).order_by(outbox.c.id)).all()
    database.close()
    assert told == ["x|bearing|1", None]


def test_an_upgrade_says_from_where_to_where_and_a_second_does_nothing(empty_url: str) -> None:
    database = open_database(StorePolicy(url=empty_url))

    found = [current(database), upgrade(database), upgrade(database), current(database)]

    database.close()
    assert found == [None, (None, HEAD), (HEAD, HEAD), HEAD]


def test_two_upgrades_at_once_are_one(empty_url: str) -> None:
    def one(_: int) -> tuple[str | None, str]:
        database = open_database(StorePolicy(url=empty_url))
        try:
            return upgrade(database)
        finally:
            database.close()

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one, range(2)))

    assert sorted(found, key=str) == [(HEAD, HEAD), (None, HEAD)]


def test_a_database_of_a_newer_version_is_refused(empty_url: str) -> None:
    database = open_database(StorePolicy(url=empty_url))
    upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(StoreError, match="newer mmindustry"):
        upgrade(database)
    database.close()


@pytest.mark.postgres
def test_an_empty_postgres_names_the_command(postgres_server: str) -> None:
    with fresh_database(postgres_server) as url:
        database = open_database(StorePolicy(url=url))

        with pytest.raises(StoreError, match=r"is empty.*mmindustry db upgrade"):
            require_current(database)
        database.close()


def test_sqlite_is_upgraded_when_it_is_opened_unless_told_not_to(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    never = open_database(StorePolicy(url=url, upgrade="never"))
    auto = open_database(StorePolicy(url=url))

    with pytest.raises(StoreError, match="mmindustry db upgrade"):
        require_current(never)
    require_current(auto)

    assert current(never) == HEAD
    never.close()
    auto.close()


def test_sqlite_admits_one_worker(sqlite_url: str) -> None:
    first = open_database(StorePolicy(url=sqlite_url)).lock("worker")
    second = open_database(StorePolicy(url=sqlite_url)).lock("worker")
    assert first is not None
    assert second is not None

    with first, pytest.raises(Busy, match="another worker"):
        second.acquire()
    second.acquire()
    second.release()


def test_a_worker_and_a_notifier_do_not_shut_each_other_out(sqlite_url: str) -> None:
    database = open_database(StorePolicy(url=sqlite_url))
    worker, notifier = database.lock("worker"), database.lock("notifier")
    assert worker is not None
    assert notifier is not None

    with worker, notifier:
        pass


def test_sqlite_keeps_its_promises_on_every_connection(sqlite_url: str) -> None:
    database = open_database(StorePolicy(url=sqlite_url, busy_timeout_seconds=2.5))

    with database.read() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]

    database.close()
    assert found == ["wal", 2, 1, 2500]


def test_a_locked_sqlite_is_told_plainly(sqlite_url: str, tmp_path: Path) -> None:
    database = open_database(StorePolicy(url=sqlite_url, busy_timeout_seconds=0.1))
    holder = sqlite3.connect(tmp_path / "record.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(DependencyDown, match="locked"), told_plainly(database), database.write():
        pass

    holder.close()
    database.close()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist: make it"):
        open_database(StorePolicy(url=f"sqlite:///{tmp_path}/no/record.db"))
