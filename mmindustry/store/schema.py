"""Which layout a database has, and how it gets the newest."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from mmindustry.errors import StoreError
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.lock import FileLock

HEAD = "0005"
"""The layout this code knows; a test says that it is the newest migration's."""

_UPGRADE_LOCK = 0x6D6D696E64  # "mmind": our key among PostgreSQL's advisory locks


def current(database: Database) -> str | None:
    """Return the database's layout; None where it is empty.

    Raises:
        DependencyDown: The database is out of reach.
    """
    with told_plainly(database), database.read() as connection:
        return _current(connection)


def upgrade(database: Database) -> tuple[str | None, str]:
    """Bring the database to the newest layout in one transaction; return (before, after).

    Safe to call from several processes at once: one does it, the others find it done.

    Raises:
        StoreError: A newer version of mmindustry made the database.
        DependencyDown: The database is out of reach.
    """
    if database.path is not None:
        lock = FileLock(database.path.with_name(f"{database.path.name}.upgrade.lock"), "upgrade")
        lock.acquire(wait=True)
        try:
            return _upgrade(database)
        finally:
            lock.release()
    return _upgrade(database)


def require_current(database: Database) -> None:
    """See to it that the database has the layout of this code.

    SQLite is upgraded here where the policy says `auto`.

    Raises:
        StoreError: It has another layout; the message says what to do.
        DependencyDown: The database is out of reach.
    """
    found = current(database)
    if found == HEAD:
        return
    if database.backend == "sqlite" and database.policy.upgrade == "auto":
        upgrade(database)
        return
    state = f"has layout {found}" if found else "is empty"
    raise StoreError(f"the database {state}, this version needs {HEAD}: mmindustry db upgrade")


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _upgrade(database: Database) -> tuple[str | None, str]:
    from alembic import command  # noqa: PLC0415 - slow to import, and hardly ever needed
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with told_plainly(database), database.write() as connection:
        if database.backend == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        before = _current(connection)
        if before is not None and before not in known:
            raise StoreError(
                f"the database has layout {before}, which this version does not know: "
                "it was made by a newer mmindustry; use that one, or a backup"
            )
        if before != HEAD:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return before, HEAD
