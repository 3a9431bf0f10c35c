"""A report holds every figure, and refuses what would flatter; a page needs nothing but itself."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmindustry.errors import InputError
from mmindustry.fusion.bundle import read_bundle, write_bundle
from mmindustry.fusion.calibration import PATTERNS
from mmindustry.training.dataset import DataSet, Targets, write_shard
from mmindustry.training.report.found import Unmet, find_data, find_unmet, make_unmet
from mmindustry.training.report.measure import Told, report
from mmindustry.training.report.page import page
from mmindustry.training.report.visits import visit_alarms
from mmindustry.training.results import plain
from tests.noise import FAULTS, noise_bundle, noise_contents, noise_manifest, noise_spec
from tests.unit.test_training import labelled

TOLD = Told(source="noise & more", visits=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("windows")
    examples = sorted(labelled(48), key=lambda one: one[1].group)
    for part in (0, 1):
        write_shard(root / f"part-{part}", noise_spec(), examples[part::2], limit=30)
    return root


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    bundle = read_bundle(noise_bundle())
    made: dict[str, Any] = plain(report(bundle, find_data(folder, noise_spec()), TOLD))
    return made


def visits(faults: list[int], hours: float = 50.0) -> Targets:
    count = len(faults)
    return Targets(
        fault=np.array(faults),
        product=np.full(count, -1),
        hours=np.full(count, hours),
        failed=np.ones(count, np.float32),
        severity=np.zeros(count),
        group=np.full(count, "pump"),
        gauges=np.zeros((count, 0), np.float32),
        begin=np.full(count, np.nan),
    )


def test_a_report_of_an_untrained_bundle_says_chance_everywhere(found: dict[str, Any]) -> None:
    assert found["data"]["windows"] == 48
    assert found["data"]["machines"] == 6
    assert set(found["subsets"]) == set(PATTERNS)
    low, high = found["faults"]["macro_auroc"]["low_high"]
    assert low <= found["faults"]["macro_auroc"]["value"] <= high
    assert found["faults"]["accuracy"]["value"] < 0.6
    assert np.sum(found["faults"]["confusion"]["rows_are_truth"]) == 48
    assert 0 < found["cpu_milliseconds_a_window"]["batch_32"] < 1000
    assert found["controls"]["shuffled_but_audio"]["value"] < 0.6
    assert json.loads(json.dumps(found)) == found


def test_the_page_asks_nothing_of_a_network_and_runs_nothing(found: dict[str, Any]) -> None:
    html = page(found)

    assert "noise &amp; more" in html
    assert html.count("<svg") >= 5
    asked = re.findall(r'(?:src|href|url|action)\s*[=(]\s*["\']?([^"\')>\s]+)', html)
    assert asked == []
    assert "<script" not in html
    for name in FAULTS:
        assert name.replace("_", " ") in html


def test_windows_a_bundle_was_trained_on_are_refused(folder: Path, tmp_path: Path) -> None:
    data = find_data(folder, noise_spec())
    manifest = replace(noise_manifest(), data_hash=data.data_hash())
    write_bundle(tmp_path / "own", manifest, noise_contents())

    with pytest.raises(InputError, match="was trained on these windows"):
        find_unmet(read_bundle(tmp_path / "own"), folder)


def test_one_machine_a_bundle_was_trained_on_is_enough_to_refuse(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "part-0", tmp_path / "w" / "one")
    labels = tmp_path / "w" / "one" / "labels.json"
    told = json.loads(labels.read_text("utf-8"))
    trained = replace(noise_manifest(), command="mmindustry train --simulated --seed 9 --out own")
    smaller = {"compression": {"trained_by": trained.command}}
    made = replace(noise_manifest(), command="mmindustry compress own", metrics=smaller)
    for name, manifest in (("own", trained), ("small", made)):
        write_bundle(tmp_path / name, manifest, noise_contents())
        others = [{**one, "group": f"8000{at % 4}"} for at, one in enumerate(told)]
        labels.write_text(json.dumps(others), "utf-8")
        bundle = read_bundle(tmp_path / name)
        assert len(find_unmet(bundle, tmp_path / "w")) == len(told)

        labels.write_text(json.dumps([*others[:-1], {**told[-1], "group": "90003"}]), "utf-8")
        with pytest.raises(InputError, match=r"trained on 1 of its 5 machines \(90003 "):
            find_unmet(bundle, tmp_path / "w")


def test_the_machines_a_bundle_learned_from_are_refused_by_their_seed(tmp_path: Path) -> None:
    command = "mmindustry train --simulated --seed=9 --out own"
    write_bundle(tmp_path / "own", replace(noise_manifest(), command=command), noise_contents())
    own = read_bundle(tmp_path / "own")

    with pytest.raises(InputError, match=r"--seed 9: .* learned from the machines of this seed"):
        make_unmet(own, Unmet(windows=60, a_machine=12, seed=9, workers=1), tmp_path / "w", print)
    assert not (tmp_path / "w").exists()


def test_windows_that_stand_twice_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "part-0", tmp_path / "one")
    told = json.loads((tmp_path / "one" / "labels.json").read_text("utf-8"))
    begun = [{**label, "begin": 60.0 * at} for at, label in enumerate(told)]
    (tmp_path / "one" / "labels.json").write_text(json.dumps(begun), "utf-8")
    assert len(find_data(tmp_path, noise_spec())) == 24
    shutil.copytree(tmp_path / "one", tmp_path / "two")

    with pytest.raises(InputError, match="one and two hold the same windows"):
        find_data(tmp_path, noise_spec())


def test_a_folder_without_windows_or_of_another_recipe_is_named(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no labelled windows"):
        find_data(tmp_path, noise_spec())
    recipe = replace(noise_spec().recipe, frame_size=48)
    with pytest.raises(InputError, match=r"made by another recipe \(image_frames, image_delta\)"):
        find_data(folder, replace(noise_spec(), recipe=recipe))
    assert len(find_data(folder / "part-0", noise_spec())) == 24


def test_hiding_shows_only_what_is_asked_for(folder: Path) -> None:
    data = DataSet(noise_spec(), [folder / "part-0"])

    hidden = data.showing((False, True, False))

    assert hidden.batch(np.arange(3))["present"].tolist() == [[0, 1, 0]] * 3
    assert data.batch(np.arange(3))["present"].tolist() == [[1, 1, 1]] * 3


def test_alarms_over_visits_are_those_counted_by_hand() -> None:
    # visits:       0    1    2    3    4    5    6    7
    faults = [0, 0, 1, 1, 1, 0, 2, 0]
    outer = [0.0, 0.7, 0.1, 0.65, 0.5, 0.3, 0.0, 0.0]
    served = np.zeros((8, 4))
    served[:, 1] = outer
    thresholds = {name: {"on": 0.6, "off": 0.4} for name in FAULTS[1:]}

    found = visit_alarms(served, visits(faults), noise_spec(), thresholds)

    assert found is not None
    ours = found["bundle"]
    assert isinstance(ours, dict)
    # raised at visit 1 (false) and visit 3 (of the event that began at visit 2, 6 h late)
    assert (ours["events"], ours["detected"], ours["false_alarms"]) == (2, 1, 1)
    assert ours["healthy_machine_weeks"] == pytest.approx(4 * 6 / 168)
    assert ours["detected_by_kind"] == {"bearing_outer": [1, 1], "belt_slip": [0, 1]}
    # lead: visit 3 to the repair before visit 5; the event missed counts 0
    assert ours["lead_median_hours"] == pytest.approx(6.0)
    assert ours["lead_p10_hours"] == pytest.approx(1.2)
    assert {"random", "periodic", "always_on", "age_only"} < set(found)


def test_without_a_fault_there_are_no_alarm_figures() -> None:
    assert visit_alarms(np.zeros((3, 4)), visits([0, 0, 0]), noise_spec(), {}) is None


def test_measuring_needs_no_torch() -> None:
    program = (
        "import sys, mmindustry.training.report.measure, mmindustry.training.report.page\n"
        "assert 'torch' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
