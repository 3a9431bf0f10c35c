"""Work orders of a folder are told apart by text, assets left out."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmindustry.cli.evaluate import app
from mmindustry.errors import InputError
from mmindustry.training.real.orders import evaluate_nestor, read_orders


def _written(root: Path) -> Path:
    folder = root / "text" / "nestor"
    folder.mkdir(parents=True)
    rows = ["Asset,OriginalShorttext,FM"]
    for k in range(60):
        mode, text = (("Leak", "hose leaking"), ("Over Temp", "engine overheating"))[k % 2]
        rows.append(f"{'ABC'[k % 3]},{text} {k},{mode}")
    rows += ["A,seized,Seized", "A,nothing told,"]
    (folder / "orders.csv").write_text("\n".join(rows) + "\n")
    return root


def test_orders_are_told_apart_and_rare_modes_counted(tmp_path: Path) -> None:
    folder = str(_written(tmp_path))

    told = CliRunner().invoke(app, ["nestor", "--data", folder, "--json", str(tmp_path / "o.json")])

    assert told.exit_code == 0, told.output
    assert "orders: 60 of 3 assets" in told.stdout
    assert "macro_f1: 1.000" in told.stdout
    assert "caveat: " in told.stdout


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "text" / "nestor"
    folder.mkdir(parents=True)
    (folder / "x.csv").write_text("Asset,FM\nA,Leak\n")

    with pytest.raises(InputError, match="no column OriginalShorttext"):
        read_orders(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Asset,OriginalShorttext,FM\nA,l\u00f6st,Leak\n".encode("latin-1"), "save it as UTF-8"),
        ("Asset,OriginalShorttext,FM\nA,lost,Leak\n".encode("utf-16"), "save it as UTF-8"),
        (b'Asset,OriginalShorttext,FM\nA,"' + b"x" * 200_000 + b'",Leak\n', "not a readable table"),
    ],
)
def test_a_file_that_is_no_table_in_utf_8_is_named(
    content: bytes, said: str, tmp_path: Path
) -> None:
    folder = tmp_path / "text" / "nestor"
    folder.mkdir(parents=True)
    (folder / "odd.csv").write_bytes(content)
    before = csv.field_size_limit(131_072)  # others in this process may have raised it

    try:
        with pytest.raises(InputError, match=rf"odd\.csv: .*{said}"):
            read_orders(tmp_path)
    finally:
        csv.field_size_limit(before)


def test_orders_of_one_asset_alone_can_not_be_scored(tmp_path: Path) -> None:
    folder = tmp_path / "text" / "nestor"
    folder.mkdir(parents=True)
    rows = [f"A,hose leaking {k},{('Leak', 'Wear')[k % 2]}" for k in range(60)]
    (folder / "x.csv").write_text("\n".join(["Asset,OriginalShorttext,FM", *rows]))

    with pytest.raises(InputError, match="all orders are of the asset A"):
        evaluate_nestor(tmp_path, lambda _: None)
