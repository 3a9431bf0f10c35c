"""Folders are made where they may be, and refused in one line where they can't be written."""

from pathlib import Path
from typing import Any

import pytest

from mmindustry.config.load import load
from mmindustry.config.settings import Settings
from mmindustry.daemon.places import make_data_dir, open_record, record_is_in_data_dir
from mmindustry.errors import NotWritable


def settings(**overrides: Any) -> Settings:
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    return load(None, environment={}, overrides=dotted).settings


def test_a_data_folder_is_made_with_those_above_it_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"

    make_data_dir(settings(run__data_dir=folder))

    assert list(folder.iterdir()) == []


def test_a_data_folder_that_can_not_be_is_told_with_its_path_and_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(NotWritable, match=rf"run\.data_dir {tmp_path}/file/data .* set run"):
        make_data_dir(settings(run__data_dir=tmp_path / "file" / "data"))


def test_the_record_makes_its_data_folder(tmp_path: Path) -> None:
    ours = settings(run__data_dir=tmp_path / "data")

    database = open_record(ours)

    database.close()
    assert database.path == tmp_path / "data" / "mmindustry.db"
    assert database.path.parent.is_dir()


def test_a_record_elsewhere_makes_no_folder_and_names_the_one_it_misses(tmp_path: Path) -> None:
    ours = settings(run__data_dir=tmp_path / "data", store__url=f"sqlite:///{tmp_path}/other/mm.db")

    with pytest.raises(NotWritable, match=rf"{tmp_path}/other.* does not exist: make it"):
        open_record(ours)

    assert list(tmp_path.iterdir()) == []


def test_only_a_sqlite_file_lies_in_the_data_folder(tmp_path: Path) -> None:
    there = settings(run__data_dir=tmp_path)
    away = settings(run__data_dir=tmp_path, store__url="postgresql://h/d")

    assert record_is_in_data_dir(there)
    assert not record_is_in_data_dir(away)
