"""`mmindustry task` as a shell sees it: learned from files, used on others."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from mmindustry.cli.exits import Exit, exit_of
from mmindustry.cli.main import new_app
from mmindustry.training.pictures import read_picture
from tests.unit.training.defects.plates import lay_out, write_plate

RATE = 16_000


def call(*words: str) -> Result:
    return CliRunner().invoke(new_app(), ["task", *words])


def write_sound(path: Path, hz: float, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(4 * RATE) / RATE
    noise = 0.01 * np.random.default_rng(seed).standard_normal(time.size)
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * hz * time) + noise, RATE)


def write_picture(path: Path, pitch: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    stripes = np.tile((np.arange(120) // pitch % 2) * 120 + 60, (90, 1))
    noisy = stripes + random.normal(0, 8, stripes.shape)
    assert cv2.imwrite(str(path), noisy.clip(0, 255).astype(np.uint8))


def told(answer: Result) -> list[dict[str, object]]:
    assert answer.exit_code == 0, answer.output
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_sounds_are_learned_from_folders_and_told_apart(tmp_path: Path) -> None:
    for number in range(4):
        write_sound(tmp_path / "data" / "low" / f"{number}.wav", 400, number)
        write_sound(tmp_path / "data" / "high" / f"{number}.wav", 3_000, 10 + number)
    write_sound(tmp_path / "new.wav", 3_000, 99)
    task, result = tmp_path / "task.json", tmp_path / "result.json"

    learned = call(
        *("learn", "sound", str(tmp_path / "data"), "--out", str(task), "--json", str(result))
    )
    found = told(call("tell", str(task), str(tmp_path / "new.wav"), "--json"))

    assert learned.exit_code == 0, learned.output
    assert "macro_f1: 1.000" in learned.stdout
    assert found[0]["class"] == "high"
    assert json.loads(result.read_text())["figures"]["groups"] == 8


def test_pictures_are_learned_by_machine_and_told_apart(tmp_path: Path) -> None:
    for number in range(6):
        machine = f"machine-{number % 3}"
        write_picture(tmp_path / "data" / "fine" / machine / f"{number}.png", 3, number)
        write_picture(tmp_path / "data" / "coarse" / machine / f"{number}.png", 20, 10 + number)
    write_picture(tmp_path / "new.png", 20, 99)
    task = tmp_path / "task.json"

    learned = call("learn", "picture", str(tmp_path / "data"), "--out", str(task))
    plain = call("tell", str(task), str(tmp_path / "new.png"))

    assert "rows: 12 of 3 groups" in learned.stdout
    assert "macro_f1: 1.000" in learned.stdout
    assert plain.stdout.split("\t")[1] == "coarse"


def test_lines_are_learned_from_a_table_and_told_apart(tmp_path: Path) -> None:
    rows = [(f"oil leak at hose {n}", "leak", n % 4) for n in range(12)]
    rows += [(f"bearing noisy, grinding {n}", "noise", n % 4) for n in range(12)]
    table = tmp_path / "orders.csv"
    table.write_text("say,mode,pump\n" + "".join(f'"{t}",{m},{g}\n' for t, m, g in rows))
    task = tmp_path / "task.json"
    columns = ("--text", "say", "--label", "mode", "--group", "pump")

    learned = call("learn", "text", str(table), *columns, "--out", str(task))
    found = told(call("tell", str(task), "hose leaks oil", "grinding noise", "--json"))

    assert "rows: 24 of 4 groups" in learned.stdout
    assert [one["class"] for one in found] == ["leak", "noise"]


def test_defects_are_learned_from_masks_and_drawn_on_others(tmp_path: Path) -> None:
    lay_out(tmp_path / "data")
    write_plate(tmp_path / "new.png", 999, (70, 40))
    write_plate(tmp_path / "other" / "new.png", 998)
    task, maps, result = tmp_path / "task.json", tmp_path / "maps", tmp_path / "result.json"
    both = (str(tmp_path / "new.png"), str(tmp_path / "other" / "new.png"))

    learned = call(
        *("learn", "defects", str(tmp_path / "data"), "--longest", "128"),
        *("--out", str(task), "--json", str(result)),
    )
    found = told(call("tell", str(task), *both, "--maps", str(maps), "--json"))
    plain = call("tell", str(task), *both)

    assert learned.exit_code == 0, learned.output
    assert "taught_by: masks" in learned.stdout
    assert "image_auroc: 1.0000 (95 %" in learned.stdout
    assert "hit_recall_chance:" in learned.stdout
    assert json.loads(result.read_text())["figures"]["pictures"] == 14
    assert [one["defective"] for one in found] == [True, False]
    assert {path.name for path in maps.iterdir()} == {
        *("new.heat.png", "new.mask.png", "new-2.heat.png", "new-2.mask.png")
    }
    assert read_picture(Path(str(found[0]["mask"])))[45, 77, 0] == 255
    assert plain.stdout.splitlines()[0].split("\t")[1] == "defective"
    assert plain.stdout.splitlines()[-1].split("\t")[1] == "normal"


def test_bad_input_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "other.json").write_text("[]")
    (tmp_path / "empty.json").write_text("{}")

    assert "two are needed that" in _refused("learn", "sound", str(tmp_path / "data"))
    assert "no JSON object" in _refused("tell", str(tmp_path / "other.json"), "x")
    assert "mmindustry task learn" in _refused("tell", str(tmp_path / "empty.json"), "x")
    assert "can't be read" in _refused("tell", str(tmp_path / "none.json"), "x")


def test_a_picture_that_is_not_there_is_told(tmp_path: Path) -> None:
    for number in range(2):
        write_picture(tmp_path / "data" / "fine" / f"{number}.png", 3, number)
        write_picture(tmp_path / "data" / "coarse" / f"{number}.png", 20, number)
    task = tmp_path / "task.json"
    call("learn", "picture", str(tmp_path / "data"), "--out", str(task))

    assert "gone.png" in _refused("tell", str(task), str(tmp_path / "gone.png"))


def _refused(*words: str) -> str:
    answer = call(*words)
    assert answer.exception is not None
    assert exit_of(answer.exception) == Exit.BAD_DATA
    return str(answer.exception)


@pytest.mark.parametrize(
    "words", [("learn",), ("learn", "text"), ("learn", "sound"), ("learn", "defects"), ("tell",)]
)
def test_each_verb_has_an_example(words: tuple[str, ...]) -> None:
    assert f"mmindustry task {' '.join(words)}" in call(*words, "--help").stdout
