"""What a task is learned from: found in folders and tables, refused where it says too little."""

import csv
import json
from pathlib import Path

import pytest

from mmindustry.errors import InputError
from mmindustry.training.tasks.material import Columns, files_by_class, lines_in

ROWS = [
    {"words": "oil leak at hose", "mode": "leak", "asset": "p1"},
    {"words": "OIL leak at hose", "mode": "leak", "asset": "p2"},
    {"words": "bearing noisy", "mode": "noise", "asset": "p1"},
    {"words": "gearbox, squeals\nat start", "mode": "noise", "asset": "p2"},
    {"words": "", "mode": "noise", "asset": "p2"},
    {"words": "no verdict yet", "mode": "", "asset": "p2"},
]
COLUMNS = Columns(text="words", label="mode", group="asset")


def fill(folder: Path, names: list[str]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_a_folder_is_a_class_and_a_folder_below_it_a_machine(tmp_path: Path) -> None:
    names = ["good/m1/a.wav", "good/m1/b.wav", "good/m2/c.WAV", "bad/d.wav", "bad/e.flac"]
    fill(tmp_path, [*names, "bad/notes.txt", "stray.wav", "bad/.hidden/f.wav"])

    found = files_by_class(tmp_path, (".wav", ".flac"))

    kinds = {str(path.relative_to(tmp_path)): kind for path, kind in found.classes.items()}
    assert kinds == {name: name.split("/")[0] for name in names}
    groups = {str(path.relative_to(tmp_path)): group for path, group in found.groups.items()}
    assert groups["good/m1/a.wav"] == groups["good/m1/b.wav"] != groups["good/m2/c.WAV"]
    assert groups["bad/d.wav"] != groups["bad/e.flac"]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], r"\(.wav\): 0 classes"),
        (["good/a.wav", "good/b.wav"], "1 classes, 0 of them met in one group"),
        (["good/a.wav", "good/b.wav", "bad/c.wav"], "2 classes, 1 of them met in one group"),
    ],
)
def test_a_folder_that_teaches_nothing_is_refused(
    tmp_path: Path, names: list[str], says: str
) -> None:
    fill(tmp_path, names)

    with pytest.raises(InputError, match=says):
        files_by_class(tmp_path, (".wav",))


def test_a_class_met_in_one_group_only_is_left_out_and_told(tmp_path: Path) -> None:
    names = ["good/a.wav", "good/b.wav", "bad/c.wav", "bad/d.wav", "odd/m1/e.wav", "odd/m1/f.wav"]
    fill(tmp_path, names)

    found = files_by_class(tmp_path, (".wav",))

    assert set(found.classes.values()) == {"good", "bad"}
    assert set(found.groups) == set(found.classes)
    assert found.left_out == {"odd": 2}


def test_no_folder_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        files_by_class(tmp_path / "nowhere", (".wav",))


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_lines_come_from_tables_of_both_kinds(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"orders{ending}"
    write(path, ROWS)

    found = lines_in(path, COLUMNS)

    assert list(found.lines) == [row["words"] for row in ROWS[:4]]
    assert list(found.labels) == ["leak", "leak", "noise", "noise"]
    assert list(found.groups) == ["p1", "p2", "p1", "p2"]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_lines_come_from_tables_with_other_separators(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "orders.csv"
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(ROWS[0]), delimiter=separator)
        table.writeheader()
        table.writerows(ROWS)

    assert list(lines_in(path, COLUMNS).lines) == [row["words"] for row in ROWS[:4]]


def test_lines_of_the_same_words_are_one_group(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    write(path, [*ROWS, {"words": "hose burst", "mode": "leak", "asset": "p1"}])

    groups = lines_in(path, Columns(text="words", label="mode")).groups

    assert groups[0] == groups[1]
    assert len(set(groups)) == len(groups) - 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("text;label\na;b\n", "row 1 has no column words, mode, asset; it has text, label"),
        ("words,mode,asset\n", "empty, there is no row in it"),
        ("", "empty, there is no row in it"),
        ("words,mode,asset\nx,a,1\ny,a,2\nz,b,1\n", "2 classes, 1 of them met in one group"),
    ],
)
def test_a_table_that_teaches_nothing_is_refused(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(content)

    with pytest.raises(InputError, match=says):
        lines_in(path, COLUMNS)


def test_what_is_no_table_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text('{"words": "a", "mode": "b", "asset": "c"}\n[1]\n')
    with pytest.raises(InputError, match="line 2 is no JSON object"):
        lines_in(path, COLUMNS)
    path.write_text("{oops\n")
    with pytest.raises(InputError, match="line 1 is no JSON:"):
        lines_in(path, COLUMNS)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        lines_in(path, COLUMNS)


def write(path: Path, rows: list[dict[str, str]]) -> None:
    if path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return
    quoted = (",".join(f'"{row[name]}"' for name in ROWS[0]) for row in rows)
    path.write_text("\n".join([",".join(ROWS[0]), *quoted]) + "\n")
