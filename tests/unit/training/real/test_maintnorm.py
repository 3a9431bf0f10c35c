"""Spelling across companies: what is counted, what the baseline is, and that more is learned."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmindustry.cli.evaluate import app
from mmindustry.cli.result_rows import spelling
from mmindustry.errors import InputError
from mmindustry.training.real.maintnorm import (
    evaluate_maintnorm,
    find_companies,
    lexicon_and_rules,
    score,
)
from mmindustry.training.real.spelling import LEAST_LINES, fit_speller
from tests.promises import missing

WORDS = ("hydraulic", "transmission", "bearing", "conveyor", "cylinder", "compressor", "radiator")
SHORT = {"north": 4, "south": 3}


def _lines(company: str, count: int) -> list[list[tuple[str, str]]]:
    """Return lines of a company that cuts words after so many letters, every second time."""
    keep = SHORT[company]
    lines = []
    for k in range(count):
        word, part = WORDS[k % 7], WORDS[(k * 3 + 1) % 7]
        cut = word[:keep] if k % 2 else word
        lines.append(
            [(f"AB{k % 9}00", "<id>"), (cut, word), (part.upper(), part), ("leak", "leak")]
        )
    return lines


def _written(root: Path, count: int = 60) -> Path:
    for company in SHORT:
        folder = root / "text" / "maintnorm" / company
        folder.mkdir(parents=True)
        entries = ["\n".join("\t".join(pair) for pair in line) for line in _lines(company, count)]
        (folder / "train.norm").write_text("\n\n".join(entries) + "\n")
    return root


def test_each_kind_of_token_is_counted_by_hand() -> None:
    lines = [
        [("XH1", "<id>"), ("REPL", "replace"), ("dog", "dogbone"), ("bone", ""), ("PUMP", "pump")],
        [("l/h", "left hand"), ("12", "<num>")],
    ]
    answers = {"XH1": "<id>", "REPL": "Replace", "dog": "dog", "bone": "bone", "PUMP": "pump"}

    found = score(lines, lambda tokens: [answers.get(token, "left hand") for token in tokens])

    told = {name: (round(one["accuracy"], 3), one["tokens"]) for name, one in found.items()}
    assert told == {
        "all": (0.571, 7),
        "changed": (0.5, 6),
        "changed_without_masks": (0.5, 4),
        "empty": (0.0, 1),
        "mask": (0.5, 2),
        "unchanged": (1.0, 1),
        "word": (0.5, 2),
        "words": (1.0, 1),
    }


def test_the_baseline_knows_meanings_and_rules_and_nothing_else() -> None:
    spell = lexicon_and_rules([[("repl", "replace"), ("bone", "")], [("Repl", "replacement")] * 1])

    assert spell(["REPL", "bone", "AB12", "12", "hyd"]) == ["replace", "", "<id>", "<num>", "hyd"]


def test_more_is_learned_than_the_lexicon_holds() -> None:
    speller = fit_speller(_lines("north", 80))

    assert speller.spell(["CD777", "tran", "fault"])[:2] == ["<id>", "transmission"]
    assert speller.spell(["XY100", "compr", "leak"])[:2] == ["<id>", "compressor"]


def test_every_ordered_pair_of_companies_is_tried(tmp_path: Path) -> None:
    found = evaluate_maintnorm(_written(tmp_path), lambda _: None)

    assert sorted(found["directions"]) == ["north->south", "south->north"]
    for one in found["directions"].values():
        assert one["ours"]["changed"]["accuracy"] >= one["baseline"]["changed"]["accuracy"]
        assert one["ours"]["mask"]["tokens"] == 60


def test_the_same_lines_give_the_same_weights() -> None:
    assert fit_speller(_lines("north", 40)).weights == fit_speller(_lines("north", 40)).weights


def test_what_is_wrong_with_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_companies(tmp_path)
    one = tmp_path / "text" / "maintnorm" / "only"
    one.mkdir(parents=True)
    (one / "train.norm").write_text("a\tb\n")
    with pytest.raises(InputError, match="two companies are needed"):
        find_companies(tmp_path)
    (one / "train.norm").write_text("a\tb\nno tab here\n")
    with pytest.raises(InputError, match=r"train\.norm:2: no tab"):
        find_companies(tmp_path)


def test_the_command_prints_and_keeps_its_figures(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    folder = str(_written(tmp_path, 30))

    told = CliRunner().invoke(app, ["maintnorm", "--data", folder, "--json", str(out)])

    assert told.exit_code == 0, told.output
    assert "learned -> tried: north->south" in told.stdout
    assert "baseline changed beyond case: " in told.stdout
    assert out.is_file()


@pytest.mark.data
def test_the_baseline_on_real_work_orders_is_the_one_that_is_known() -> None:
    root = os.environ.get("MMINDUSTRY_DATA")
    if not root:
        missing("data", "set MMINDUSTRY_DATA to the folder of the real data")
    companies = find_companies(Path(root))

    first, second = (companies[name] for name in sorted(companies)[:2])
    there = score(second, lexicon_and_rules(first))["changed"]["accuracy"]
    back = score(first, lexicon_and_rules(second))["changed"]["accuracy"]

    assert there == pytest.approx(0.60, abs=0.01)
    assert back == pytest.approx(0.81, abs=0.01)


def test_a_company_that_changes_nothing_is_named_before_anything_is_learned(
    tmp_path: Path,
) -> None:
    _written(tmp_path)
    plain = tmp_path / "text" / "maintnorm" / "east"
    plain.mkdir()
    (plain / "train.norm").write_text("PUMP\tpump\n\nleak\tleak\n\n" * 10)

    with pytest.raises(InputError, match="east: no token is changed beyond case"):
        evaluate_maintnorm(tmp_path, lambda _: None)


def test_a_company_of_few_lines_does_not_lose_the_directions_of_the_others(tmp_path: Path) -> None:
    _written(tmp_path, 30)
    few = tmp_path / "text" / "maintnorm" / "east"
    few.mkdir()
    (few / "train.norm").write_text("repl\treplace\n\n" * (LEAST_LINES - 1))
    told: list[str] = []

    found = evaluate_maintnorm(tmp_path, told.append)

    assert told[0].startswith("east: left out, 19 lines")
    assert sorted(found["directions"]) == ["north->south", "south->north"]
    assert found["left_out"] == {"east": 19}
    assert found["lines"] == {"north": 30, "south": 30}
    assert len(list(spelling(found))) == 2


def test_two_companies_must_have_lines_enough(tmp_path: Path) -> None:
    _written(tmp_path)
    few = tmp_path / "text" / "maintnorm" / "south" / "train.norm"
    few.write_text("repl\treplace\n")

    with pytest.raises(InputError, match=r"two companies of 20 lines or more; .*south \(1\)"):
        evaluate_maintnorm(tmp_path, lambda _: None)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    _written(tmp_path)
    (tmp_path / "text" / "maintnorm" / "north" / "old.norm").write_bytes(b"caf\xe9\tcafe\n")

    with pytest.raises(InputError, match=r"old\.norm: not UTF-8 .*save it as UTF-8"):
        find_companies(tmp_path)
