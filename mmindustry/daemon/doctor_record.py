"""The doctor's checks of the database."""

from collections.abc import Iterator
from datetime import UTC

from sqlalchemy import func, select, text

from mmindustry.daemon.finding import Check, Finding, Patient, Verdict
from mmindustry.daemon.places import record_is_in_data_dir
from mmindustry.store.database import Database, open_database, told_plainly
from mmindustry.store.schema import HEAD, current

_WARN_SKEW_SECONDS = 1.0
_FAIL_SKEW_SECONDS = 5.0


def check_database(patient: Patient) -> Iterator[Finding]:
    """Out of reach, empty, old, or as it should be; then whether it can be written."""
    database = Database(patient.settings.store)
    if database.path is not None and not database.path.exists():
        if not record_is_in_data_dir(patient.settings):
            open_database(patient.settings.store)
        yield Finding("database", Verdict.OK, f"{database.path} will be made at the first start")
        return
    try:
        found = current(database)
        if found == HEAD:
            yield Finding("database", Verdict.OK, f"{database.backend}, layout {found}")
            yield _write_probe(database)
        else:
            told = f"{database.backend}, layout {found or 'none yet'}, this version needs {HEAD}"
            auto = database.backend == "sqlite" and database.policy.upgrade == "auto"
            verdict = Verdict.OK if auto else Verdict.FAIL
            yield Finding("database", verdict, told, "" if auto else "mmindustry db upgrade")
        if database.backend == "postgresql":
            yield _clock_probe(patient, database)
    finally:
        database.close()


def _write_probe(database: Database) -> Finding:
    with told_plainly(database), database.write() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE mmindustry_doctor (probe INTEGER)"))
        connection.execute(text("INSERT INTO mmindustry_doctor VALUES (1)"))
        seen = connection.scalar(text("SELECT probe FROM mmindustry_doctor"))
        connection.execute(text("DROP TABLE mmindustry_doctor"))
    good = seen == 1
    return Finding("database writes", Verdict.OK if good else Verdict.FAIL, "write, read, drop")


def _clock_probe(patient: Patient, database: Database) -> Finding:
    with told_plainly(database), database.read() as connection:
        theirs = connection.scalar(select(func.clock_timestamp()))
    skew = (patient.clock.now() - theirs.astimezone(UTC)).total_seconds() if theirs else 0.0
    if abs(skew) > _FAIL_SKEW_SECONDS:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.WARN if abs(skew) > _WARN_SKEW_SECONDS else Verdict.OK
    remedy = "" if verdict is Verdict.OK else "synchronise both clocks (NTP)"
    return Finding("database clock", verdict, f"ours is {skew:+.2f} s from it", remedy)


RECORD_CHECKS: tuple[Check, ...] = (check_database,)
