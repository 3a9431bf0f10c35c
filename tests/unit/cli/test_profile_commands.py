"""`mmindustry profile`, as a shell sees it, where there is little to learn from."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from mmindustry.cli.exits import exit_of
from mmindustry.cli.main import new_app
from mmindustry.domain import AssetCard, Profile
from mmindustry.fusion.bundle import builtin_bundle, read_manifest
from mmindustry.store.database import open_database
from mmindustry.store.plant import register_assets
from mmindustry.store.policy import StorePolicy
from mmindustry.store.profiles import add_profile
from mmindustry.store.schema import require_current
from mmindustry.testing import ASSET, BEGINNING


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(new_app(), ["profile", *words, "-c", str(folder / "m.yaml")])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A registered asset without any window, and one profile of another asset."""
    store = {"url": f"sqlite:///{tmp_path}/m.db"}
    (tmp_path / "m.yaml").write_text(json.dumps({"store": store}))
    database = open_database(StorePolicy(url=store["url"]))
    require_current(database)
    register_assets(database, {ASSET: AssetCard()}, now=BEGINNING)
    for version in (1, 2):
        profile = Profile(
            id=f"n/h/l/fan@{version}",
            asset="n/h/l/fan",
            version=version,
            bundle="b",
            normal_hours=16.0,
            arrays={
                "bank_audio": np.zeros((7, 2), np.float32),
                "calibration_audio": np.zeros(3, np.float32),
                "image_baseline/cam-1": np.zeros((2, 2), np.float32),
            },
            limits={"novelty_audio": 1.25},
        )
        add_profile(database, profile, BEGINNING)
    database.close()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("learn", "no/such/asset/here"), 65, "no such asset: no/such/asset/here"),
        (("learn", "--all", "--bundle", "nobody"), 65, "bundle nobody is not known here"),
        (("learn", ASSET), 65, "0 of its 0 windows"),
        (("learn", "--all", "--from", "yesterday"), 65, "--from yesterday"),
        (("show", "nobody@1"), 65, "no profile nobody@1"),
    ],
    ids=["asset", "bundle", "windows", "time", "profile"],
)
def test_what_can_not_be_done_is_said(
    folder: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    done = run(folder, *words)

    assert done.exception is not None
    assert exit_of(done.exception) == code
    assert told in str(done.exception)


def test_once_learns_nothing_where_another_has_learned_meanwhile(folder: Path) -> None:
    bundle = read_manifest(builtin_bundle()).id
    database = open_database(StorePolicy(url=f"sqlite:///{folder}/m.db"))
    made = Profile(
        id=f"{ASSET}@1",
        asset=ASSET,
        version=1,
        bundle=bundle,
        normal_hours=1.0,
        arrays={},
        limits={},
    )
    add_profile(database, made, BEGINNING)
    database.close()

    done = run(folder, "learn", ASSET, "--once")

    assert done.exception is not None
    assert exit_of(done.exception) == 75
    assert "has a profile" in str(done.exception)


def test_nothing_is_learned_where_nothing_is_archived(folder: Path) -> None:
    document = json.loads((folder / "m.yaml").read_text()) | {"archive": {"url": "off"}}
    (folder / "m.yaml").write_text(json.dumps(document))

    done = run(folder, "learn", "--all")

    assert done.exception is not None
    assert exit_of(done.exception) == 78
    assert "archive.url is off" in str(done.exception)


@pytest.mark.parametrize("words", [("learn",), ("learn", ASSET, "--all")], ids=["none", "both"])
def test_learn_wants_to_be_told_which_assets(folder: Path, words: tuple[str, ...]) -> None:
    done = run(folder, *words)

    assert done.exit_code == 2
    assert "--all" in done.stderr


def test_all_assets_are_told_how_much_they_lack_and_the_command_fails(folder: Path) -> None:
    done = run(folder, "learn", "--all", "--json")
    row = json.loads(done.stdout)

    assert done.exit_code == 1
    assert (row["asset"], row["windows"], row["needed"], row["profile"]) == (ASSET, 0, 200, None)


def test_profiles_are_listed_the_active_ones_first_and_shown(folder: Path) -> None:
    active = [json.loads(x) for x in run(folder, "list", "--json").stdout.splitlines()]
    every = run(folder, "list", "n/h", "--every").stdout
    shown = json.loads(run(folder, "show", "n/h/l/fan", "--json").stdout)
    old = run(folder, "show", "n/h/l/fan@1").stdout

    assert [(row["profile"], row["active"]) for row in active] == [("n/h/l/fan@2", True)]
    assert [line.split()[1] for line in every.splitlines()] == ["past", "active"]
    assert (shown["profile"], shown["references"]) == ("n/h/l/fan@2", {"audio": 7})
    assert (shown["calibration"], shown["cameras"]) == ({"audio": 3}, ["cam-1"])
    assert "active: False" in old


def test_where_no_profile_is_yet_the_list_says_so(folder: Path) -> None:
    done = run(folder, "list", "n/elsewhere")

    assert (done.exit_code, done.stdout) == (0, "")
    assert "no profile" in done.stderr
