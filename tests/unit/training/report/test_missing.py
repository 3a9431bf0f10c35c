"""One network for all patterns beside a specialist for each, cell by cell."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mmindustry.cli import evaluate_missing
from mmindustry.cli.main import new_app
from mmindustry.errors import BundleError, InputError
from mmindustry.fusion.bundle import Bundle, read_bundle, write_bundle
from mmindustry.fusion.calibration import PATTERNS
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.training import simulated
from mmindustry.training.dataset import DataSet, write_shard
from mmindustry.training.learned_from import training_prior
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.report.missing import MissingRun, Pair, compare
from mmindustry.training.scores import macro_f1
from mmindustry.training.split import Rows, plant_split
from tests.noise import FAULTS, noise_bundle, noise_contents, noise_manifest, noise_spec
from tests.unit.test_training import labelled


def test_the_difference_of_two_networks_is_that_worked_out_by_hand() -> None:
    truth = np.array([0, 0, 1, 1])
    right = np.eye(2)[truth] * 0.8 + 0.1
    half = np.array([[0.9, 0.1]] * 4)

    found = Pair(right, half, truth).figures(np.arange(4))

    # all told `0`: F1 of 2/3 and 0
    assert found["whole"] == 1.0
    assert found["specialist"] == pytest.approx(1 / 3)
    assert found["difference"] == pytest.approx(2 / 3)
    assert found["ece"] == pytest.approx(0.1)
    assert found["passed"] is False
    assert Pair(np.eye(2)[truth], half, truth).figures(np.arange(4))["passed"] is True
    assert Pair(half, right, truth).figures(np.arange(4))["passed"] is False


def test_cells_that_stand_are_not_made_again(tmp_path: Path) -> None:
    examples = sorted(labelled(60), key=lambda one: one[1].group)
    data = DataSet(noise_spec(), [write_shard(tmp_path / "a", noise_spec(), examples, limit=60)])
    run = MissingRun(
        train_windows=16, policy=TrainingPolicy(epochs=1, seed=3), cells=tmp_path / "c"
    )
    told: list[str] = []

    first = compare(data, run, told.append)
    trained = sum("training on" in line for line in told)
    told.clear()
    (next((tmp_path / "c").glob("text-*.npz"))).unlink()
    second = compare(data, run, told.append)

    assert trained == 1 + len(PATTERNS)
    assert [line for line in told if "training on" in line] == ["text: training on 16 windows"]
    made, again = first.pop("made_of"), second.pop("made_of")
    assert made["cells"] == again["cells"] == 1 + len(PATTERNS)
    assert made["train_cpu_seconds"] > 0
    assert made["cells_without_seconds"] == 0
    assert first == second
    assert set(first["patterns"]) == set(PATTERNS)
    assert first["windows"]["train"] == 16
    told.clear()
    own = compare(data, replace(run, policy=replace(run.policy, joint=False)), told.append)
    assert [line for line in told if "training on" in line] == ["all: training on 16 windows"]
    assert own["training"]["joint"] is False
    for name, row in own["patterns"].items():  # specialists learn jointly all the same
        assert row["specialist"] == first["patterns"][name]["specialist"]


def test_a_bundle_is_judged_by_what_it_serves_in_place_of_a_network_trained_for_it(
    tmp_path: Path,
) -> None:
    examples = sorted(labelled(60), key=lambda one: one[1].group)
    data = DataSet(noise_spec(), [write_shard(tmp_path / "a", noise_spec(), examples, limit=60)])
    stranger = read_bundle(noise_bundle())
    own = replace(stranger, manifest=replace(stranger.manifest, data_hash=data.data_hash()))
    policy = TrainingPolicy(epochs=1, seed=3)

    def judged(bundle: Bundle) -> dict[str, Any]:
        run = MissingRun(train_windows=16, policy=policy, cells=tmp_path / "c", bundle=bundle)
        return compare(data, run, lambda _: None)

    found = judged(own)
    rows = plan_rows(data)
    prior = training_prior(own)
    for pattern, shown in PATTERNS.items():
        said = OnnxRuntime(own.model).run(data.showing(shown).batch(rows)).evidence
        there = (data.batch(rows)["present"] > 0)[:, np.array(shown)].all(axis=1)
        told = (np.log(prior) + said / own.manifest.calibration.temperatures[pattern]).argmax(1)
        expected = macro_f1(told[there], data.targets().fault[rows][there], len(FAULTS))
        assert found["patterns"][pattern]["whole"] == pytest.approx(expected)

    assert found["bundle"] == own.id
    assert found["made_of"]["cells"] == len(PATTERNS)
    assert not list((tmp_path / "c").glob("all-*"))
    with pytest.raises(InputError, match="trained on other windows"):
        judged(stranger)


def plan_rows(data: DataSet) -> Rows:
    return plant_split(data.targets().group, 3).test


def test_the_command_trains_by_the_settings_it_is_given_and_refuses_what_no_run_can_follow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[TrainingPolicy] = []

    def noted(_plan: object, _learned: int, policy: TrainingPolicy, _bundle: str) -> None:
        asked.append(policy)
        raise InputError("noted")

    monkeypatch.setattr(evaluate_missing, "_compare", noted)
    words = ["evaluate", "missing", "--work", str(tmp_path / "work"), "--seed", "5"]

    CliRunner().invoke(new_app(), [*words, "--set", "joint=false", "--epochs", "3"])
    refused = CliRunner().invoke(new_app(), [*words, "--set", "joint=false", "--set", "fusion=gmu"])

    assert asked == [TrainingPolicy(epochs=3, seed=5, joint=False)]
    assert refused.exit_code == 2
    assert "joint is false" in refused.output
    assert not (tmp_path / "work").exists()


def test_a_bundle_that_is_none_is_refused_before_windows_are_made(tmp_path: Path) -> None:
    words = ["evaluate", "missing", "--work", str(tmp_path / "work"), "--bundle", str(tmp_path)]

    refused = CliRunner().invoke(new_app(), words)

    assert isinstance(refused.exception, BundleError)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "words",
    [["--train-windows", "0"], ["--seed", "-1"], ["--epochs", "0"], ["--machines", "0"]],
)
def test_numbers_that_nothing_can_be_done_with_are_refused_by_their_option(
    words: list[str],
) -> None:
    refused = CliRunner().invoke(new_app(), ["evaluate", "missing", "--quick", *words])

    assert refused.exit_code == 2
    assert words[0] in refused.output


def test_a_bundle_is_compared_with_specialists_of_its_own_make(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[NetworkSpec] = []

    def made(_run: object, spec: NetworkSpec, _tell: object, **_vocabulary: object) -> DataSet:
        asked.append(spec)
        raise InputError("noted")

    monkeypatch.setattr(simulated, "simulated_data", made)
    manifest = noise_manifest()
    gated = replace(manifest, spec=replace(manifest.spec, fusion="gmu"))
    write_bundle(tmp_path / "own", gated, noise_contents())
    words = [
        "evaluate",
        "missing",
        "--work",
        str(tmp_path / "w"),
        "--bundle",
        str(tmp_path / "own"),
    ]

    first = CliRunner().invoke(new_app(), words)
    second = CliRunner().invoke(new_app(), [*words, "--set", "fusion=concat"])

    assert str(first.exception) == "noted"
    assert [spec.fusion for spec in asked] == ["gmu"]
    assert "fuses by gmu" in str(second.exception)
