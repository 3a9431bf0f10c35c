"""The reference is generated, complete, and read back by the same loader."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from mmindustry.config import reference
from mmindustry.config.load import load


def test_every_setting_is_documented() -> None:
    assert reference.undocumented() == []


def test_the_commented_file_is_valid_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mmindustry.yaml"
    file.write_text(reference.commented_file())

    assert load(file, environment={}).settings == load(None, environment={}).settings


def test_every_default_in_the_commented_file_reads_back_the_same(tmp_path: Path) -> None:
    file = tmp_path / "mmindustry.yaml"
    lines = reference.commented_file().splitlines()
    keys = [line.replace("  # ", "  ", 1) if _is_key(line) else line for line in lines]
    file.write_text("\n".join(keys))

    loaded = load(file, environment={})

    assert loaded.settings == load(None, environment={}).settings
    assert len(loaded.origins) > 50


def _is_key(line: str) -> bool:
    name, colon, _ = line.removeprefix("  # ").partition(": ")
    return line.startswith("  # ") and colon == ": " and name.isidentifier() and name.islower()


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("windowing: {grace_seconds: 5}", True),
        ("windowing: {grace_seconds: 5s}", True),
        ("windowing: {grace_seconds: soon}", False),
        ("codec: {value_bytes: 10MiB}", True),
        ("codec: {value_bytes: 1.5}", False),
        ("windowing: {nonsense: 1}", False),
    ],
)
def test_the_schema_admits_what_the_loader_admits(text: str, *, valid: bool) -> None:
    schema = reference.json_schema()
    Draft202012Validator.check_schema(schema)

    value = YAML(typ="safe", pure=True).load(text)

    assert Draft202012Validator(schema).is_valid(value) is valid


def test_the_committed_schema_and_page_are_current() -> None:
    root = Path(__file__).parents[3]

    committed = json.loads((root / "schemas" / "config.schema.json").read_text())

    assert committed == json.loads(json.dumps(reference.json_schema()))
    page = root / "deploy" / "handbook" / "reference" / "config.md"
    assert page.read_text() == reference.handbook_page()
