"""Settings of a training as typed, and what is shown of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mmindustry.cli.main import new_app
from mmindustry.cli.outcome import refuse_no_folder, typed
from mmindustry.cli.train import _show
from mmindustry.cli.training import attended, design_of, policy_of, settings_text, training_of
from mmindustry.daemon.stop import Stop
from mmindustry.errors import BundleError, InputError, NotWritable
from mmindustry.fusion.presets import Design
from mmindustry.training.policy import AugmentPolicy, TrainingPolicy
from mmindustry.training.simulated import Report


def test_settings_are_taken_by_name_and_kind() -> None:
    typed = ["learning_rate=0.01", "augment.crop=0.1", "norm_epochs=3", "placement.image=cuda:1"]

    policy = policy_of([*typed, "dropout=none"], {"epochs": 5, "fusion": "concat"})

    assert policy == TrainingPolicy(
        learning_rate=0.01,
        augment=AugmentPolicy(crop=0.1),
        norm_epochs=3,
        placement={"image": "cuda:1"},
        epochs=5,
        fusion="concat",
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("batch", "write NAME=VALUE"),
        ("batch=many", "batch: Input should be a valid integer"),
        ("bach=3", "bach: no such setting"),
        ("batch=1", "batch at least 2"),
        ("balance=maybe", "balance is 'maybe'; it must be prior or weights or sampler"),
        ("augment.crop=2", "crop is 2.0; it must lie in"),
        ("learning_rate=nan", "learning_rate=nan: give a number"),
        ("hazard=inf", "hazard=inf: give a number"),
        ("augment.gain=nan", "gain is nan; it must lie in"),
        ("device=gpu", "device is 'gpu'; it must be auto, cpu or cuda:N"),
        ("placement=image", "placement: has parts; give each by its name"),
        ("placement.nose=cpu", "placement nose=cpu: it must be image, audio or text"),
        ("=3", "write NAME=VALUE"),
        ("augment.=3", "write NAME=VALUE"),
        ("seed=9", "give --seed"),
    ],
)
def test_a_setting_that_can_not_be_followed_is_told(typed: str, said: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        policy_of([typed], {})

    assert said in str(caught.value)


def test_every_setting_is_told_with_its_meaning() -> None:
    lines = settings_text().splitlines()

    assert "learning_rate=0.003" in lines
    assert "augment.background=0.0" in lines
    assert all(meaning.strip() for meaning in lines[1::2])


def test_without_a_terminal_lines_are_told_by_the_first_of_a_team_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wish: dict[str, Any] = {"checkpoint": tmp_path, "tensorboard": None, "stop": Stop()}

    for rank_zero in (True, False):
        with attended(**wish, rank_zero=rank_zero) as attend:
            attend.tell("epoch 1/2")

    assert capsys.readouterr().err == "epoch 1/2\n"


def test_a_preset_brings_its_training_and_what_is_typed_goes_over_it() -> None:
    asked = {"fusion": "", "epochs": 3}

    plain = policy_of([], training_of("", asked))
    classic = policy_of(["batch=8"], training_of("resnet50-bert-concat", asked))
    other = policy_of([], training_of("mfb", {**asked, "fusion": "late"}))

    assert plain == TrainingPolicy(epochs=3)
    assert (classic.fusion, classic.learning_rate) == ("feature_concat", 1e-4)
    assert (classic.batch, classic.epochs) == (8, 3)
    assert (other.fusion, other.clip) == ("late", 1.0)


def test_a_setting_that_is_asked_for_stands_over_the_presets_own() -> None:
    found = training_of("mfb", {"fusion": "", "learning_rate": 0.5})

    assert found == {"fusion": "mfb", "learning_rate": 0.5, "clip": 1.0}


def test_an_unknown_preset_is_refused_before_anything_is_made() -> None:
    with pytest.raises(InputError, match="no preset 'magic'; there are"):
        training_of("magic", {"fusion": ""})


def test_a_design_is_taken_by_name_and_value() -> None:
    found = design_of(
        "mfb", ["text=minilm+ngrams"], ["text.minilm=wheel", "image.resnet18=local:a=b.pth"], ["x"]
    )

    assert found == Design(
        preset="mfb",
        encoders={"text": "minilm+ngrams"},
        weights={"text.minilm": "wheel", "image.resnet18": "local:a=b.pth"},
        frozen=("x",),
    )


@pytest.mark.parametrize("typed", ["text", "=tiny", "text="])
def test_an_option_of_the_design_without_a_name_or_value_is_told(typed: str) -> None:
    with pytest.raises(typer.BadParameter, match="write NAME=VALUE"):
        design_of("", [typed], [], [])


@pytest.mark.parametrize("option", ["--epochs", "--windows", "--machines", "--workers"])
def test_none_at_all_is_no_amount(option: str) -> None:
    found = CliRunner().invoke(new_app(), ["train", "--simulated", option, "0"])

    assert found.exit_code == 2
    assert option in found.output


def test_the_figures_of_a_training_are_json_with_what_made_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {"macro_f1": {"fused": 0.5, "image": float("nan")}}

    _show(Report("b-1", tmp_path, metrics), gone=None, seconds=3.0, as_json=True)

    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert told["metrics"] == {"macro_f1": {"fused": 0.5, "image": None}}
    assert (told["bundle"], told["folder"]) == ("b-1", str(tmp_path))
    assert told["seconds"] == 3.0
    assert {"commit", "machine", "command"} <= told.keys()


def test_a_group_of_settings_is_not_given_a_value_as_well() -> None:
    with pytest.raises(typer.BadParameter, match="augment: given both a value and settings"):
        policy_of(["augment=1", "augment.crop=0.1"], {})


def test_settings_that_do_not_go_together_are_told_without_a_name_that_is_none() -> None:
    with pytest.raises(typer.BadParameter) as caught:
        policy_of([], {"device": "gpu"})

    assert str(caught.value).startswith("device is 'gpu'")


@pytest.mark.parametrize("out", [".", "/", "", "gone/.."])
def test_a_bundle_needs_a_folder_of_its_own(out: str) -> None:
    told = CliRunner().invoke(new_app(), ["train", "--simulated", "--quick", "--out", out])

    assert isinstance(told.exception, InputError)
    assert "give the name of a folder" in str(told.exception)


@pytest.mark.parametrize("name", ["", "a/b", "two\nlines", "-dash", "a name"])
def test_a_name_no_bundle_may_have_is_refused_before_training(name: str, tmp_path: Path) -> None:
    wish = ["train", "--simulated", "--quick", "--out", str(tmp_path / "new"), "--name", name]

    told = CliRunner().invoke(new_app(), wish)

    assert isinstance(told.exception, BundleError)
    assert "letters, digits" in str(told.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_seed_that_no_machine_can_be_made_from_is_refused() -> None:
    told = CliRunner().invoke(new_app(), ["train", "--simulated", "--seed", str(10**20)])

    assert told.exit_code == 2
    assert "--seed" in told.output


def test_a_folder_that_can_not_be_made_is_told_by_its_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    refuse_no_folder(out=tmp_path / "new" / "deep", work=None, checkpoint=tmp_path)
    with pytest.raises(NotWritable, match=r"--out .*/file/deep: .*/file is a file; give another"):
        refuse_no_folder(work=tmp_path, out=tmp_path / "file" / "deep")


def test_a_team_is_told_with_what_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["mmindustry", "train", "--out", "a b"])

    monkeypatch.setenv("WORLD_SIZE", "2")  # some cluster's, who started nothing here
    assert typed() == "mmindustry train --out 'a b'"
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert typed() == "torchrun --nproc-per-node 2 -m mmindustry train --out 'a b'"
