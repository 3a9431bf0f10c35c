"""Imports point down the data's way, and the check that says so can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LINT), "--config", str(folder / "pyproject.toml"), "--no-cache"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    shutil.copytree(
        ROOT / "mmindustry",
        folder / "mmindustry",
        ignore=shutil.ignore_patterns("__pycache__", "static", "templates", "builtin"),
    )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_layers_hold() -> None:
    done = lint(ROOT)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("windowing/policy.py", "import mmindustry.store.policy", "Imports point down"),
        ("stream/policy.py", "import mmindustry.store.policy", "Imports point down"),
        ("new_package.py", '"""Not in the list of layers."""', "Imports point down"),
        ("store/policy.py", "import torch", "Only fusion and training know torch"),
        ("codec/policy.py", "import os", "The pure packages touch no outside world"),
        ("gateway/policy.py", "import kafka", "One module speaks Kafka"),
        ("dashboard/policy.py", "import mmindustry.store.tables", "Tables stay inside the store"),
    ],
)
def test_a_layer_broken_on_purpose_fails_the_build(
    copy: Path, module: str, line: str, contract: str
) -> None:
    file = copy / "mmindustry" / module
    before = file.read_text() if file.exists() else None
    file.write_text(f"{before or ''}\n{line}\n")

    done = lint(copy)

    if before is None:
        file.unlink()
    else:
        file.write_text(before)
    assert done.returncode == 1, done.stdout
    assert f"{contract}" in done.stdout
    broken = [text for text in done.stdout.splitlines() if text.rstrip().endswith("BROKEN")]
    assert any(contract in text for text in broken), done.stdout
