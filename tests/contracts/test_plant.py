"""The plant registry in the record, and the commands over it, on SQLite and PostgreSQL."""

import json
from pathlib import Path

import pytest
from sqlalchemy import delete, select
from typer.testing import CliRunner

from mmindustry.cli.main import new_app
from mmindustry.domain import Failed
from mmindustry.errors import InputError
from mmindustry.store import tables
from mmindustry.store.database import Database
from mmindustry.store.equipment import equipment_of
from mmindustry.store.equipment_files import read_equipment
from mmindustry.store.plant import import_equipment, list_assets
from mmindustry.store.policy import RecordPolicy
from mmindustry.testing import ASSET, BEGINNING, make_event, make_window
from tests.contracts.record_world import make_progress, make_step, sql_recorder
from tests.unit.store.test_equipment import YAML, write


def run(url: str, folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a command with a settings file that names the database; return exit code, stdout."""
    file = write(folder, json.dumps({"store": {"url": url}}), "settings.yaml")
    result = CliRunner().invoke(new_app(), [*arguments, "--config", str(file)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_an_import_can_be_repeated_and_changes_nothing(database: Database, tmp_path: Path) -> None:
    equipment = read_equipment(write(tmp_path, YAML))

    first = import_equipment(database, equipment, BEGINNING)
    second = import_equipment(database, equipment, BEGINNING)

    assert [(one.table, one.change) for one in first] == [
        ("sites", "add"),
        ("places", "add"),
        ("places", "add"),
        ("assets", "add"),
        ("sensors", "add"),
        ("sensors", "add"),
    ]
    assert second == []


def test_an_import_names_what_it_changes(database: Database, tmp_path: Path) -> None:
    import_equipment(database, read_equipment(write(tmp_path, YAML)), BEGINNING)
    changed = YAML.replace("1480", "1500").replace("every_seconds: 2", "every_seconds: 3")

    found = import_equipment(database, read_equipment(write(tmp_path, changed)), BEGINNING)

    assert [(one.table, one.change, one.fields) for one in found] == [
        ("assets", "change", ("card",)),
        ("sensors", "change", ("every_seconds",)),
    ]


def test_a_dry_run_changes_nothing(database: Database, tmp_path: Path) -> None:
    equipment = read_equipment(write(tmp_path, YAML))

    planned = import_equipment(database, equipment, BEGINNING, dry_run=True)

    assert len(planned) == 6
    assert list_assets(database) == []


def test_an_asset_that_had_only_sent_messages_becomes_registered_and_keeps_its_id(
    database: Database, tmp_path: Path
) -> None:
    recorder = sql_recorder(database, RecordPolicy())
    recorder.claim([0])
    recorder.save(make_step(make_window([make_event()])))
    (before,) = list_assets(database, registered=False)

    import_equipment(database, read_equipment(write(tmp_path, YAML)), BEGINNING)

    (after,) = list_assets(database, registered=True)
    assert (after.path, after.asset_id, after.first_seen) == (
        ASSET,
        before.asset_id,
        before.first_seen,
    )
    assert (after.partition, after.sensors, after.name) == (0, 2, "Feed pump")


def test_a_renamed_asset_may_keep_its_stable_id(database: Database, tmp_path: Path) -> None:
    import_equipment(database, read_equipment(write(tmp_path, YAML)), BEGINNING)
    (old,) = list_assets(database)
    moved = YAML.replace("key: pump-1", f"key: pump-9\n                id: {old.asset_id}")

    import_equipment(database, read_equipment(write(tmp_path, moved)), BEGINNING)

    ids = {asset.path.rpartition("/")[2]: asset.asset_id for asset in list_assets(database)}
    assert ids == {"pump-1": old.asset_id, "pump-9": old.asset_id}


def test_what_is_named_twice_is_refused(database: Database) -> None:
    site = {"key": "north", "areas": [{"key": "a"}, {"key": "a"}]}

    with pytest.raises(InputError, match="named twice in places: north/a"):
        import_equipment(database, equipment_of({"sites": [site]}), BEGINNING)


def test_the_commands_import_and_list_the_plant(database_url: str, tmp_path: Path) -> None:
    file = str(write(tmp_path, YAML))

    planned = run(database_url, tmp_path, "plant", "import", file, "--dry-run", "--json")
    done = run(database_url, tmp_path, "plant", "import", file)
    listed = run(database_url, tmp_path, "plant", "list", "--json")
    unregistered = run(database_url, tmp_path, "plant", "list", "--unregistered")

    assert planned[1].count("\n") == done[1].count("\n") == 6
    assert json.loads(listed[1])["path"] == ASSET
    assert unregistered == (0, "")


def test_the_ledger_command_fails_where_a_row_was_deleted_by_hand(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    recorder = sql_recorder(database, RecordPolicy())
    recorder.claim([0])
    progress = make_progress(read=3)
    window = make_window([make_event(offset=0)])
    recorder.save(make_step(window, fields={"progress": (progress,)}))

    whole = run(database_url, tmp_path, "ledger", "--json")
    with database.write() as connection:
        connection.execute(delete(tables.windows))
    robbed = run(database_url, tmp_path, "ledger")

    assert whole[0] == 0
    assert json.loads(whole[1])["partitions"][0]["stored"] == 1
    assert robbed[0] == 1
    assert "DOES NOT BALANCE (+1)" in robbed[1]


def test_the_ledger_command_fails_where_a_judgement_was_deleted_by_hand(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    recorder = sql_recorder(database, RecordPolicy())
    recorder.claim([0])
    window = make_window([make_event(offset=0)])
    failed = Failed(window.key, window.end, "predict", "nan_output", "", "bundle-1")
    fields = {"progress": (make_progress(read=3),), "predictions": (failed,)}
    recorder.save(make_step(window, fields=fields))

    whole = run(database_url, tmp_path, "ledger", "--json")
    with database.write() as connection:
        connection.execute(delete(tables.predictions))
    robbed = run(database_url, tmp_path, "ledger")

    assert (whole[0], json.loads(whole[1])["unpaired"]) == (0, [])
    assert robbed[0] == 1
    assert f"windows_without_prediction: +1  {window.key.id}" in robbed[1]


def test_the_database_commands_say_which_layout_it_has(database_url: str, tmp_path: Path) -> None:
    code, told = run(database_url, tmp_path, "db", "current", "--json")
    upgraded = run(database_url, tmp_path, "db", "upgrade")

    assert code == 0
    assert json.loads(told)["current"] == json.loads(told)["needed"]
    assert upgraded[0] == 0


def test_retention_asks_before_it_deletes(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--dry-run"):
        run(database_url, tmp_path, "db", "retain")
    due = run(database_url, tmp_path, "db", "retain", "--dry-run", "--json")

    with database.read() as connection:
        assert connection.execute(select(tables.windows)).all() == []
    assert json.loads(due[1])["windows"] == 0
