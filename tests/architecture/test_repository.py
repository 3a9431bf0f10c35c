"""The repository holds what it should, and nothing of the machine it was made on."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = {
    ".ci",
    ".dockerignore",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "deploy",
    "docker-compose.yml",
    "mmindustry",
    "pyproject.toml",
    "schemas",
    "tests",
}
# built from pieces, so that this file does not hold them itself
MACHINE = re.compile("|".join((r"/wo" + r"rk/", r"/ro" + r"ot/", r"/home/[a-z]+/")))
REGISTRY = re.compile(
    "|".join(
        (
            r"pypi\." + "org",
            r"files\.python" + "hosted",
            r"registry\.npm" + "js",
            r"repo1?\.maven",
            r"deb\.deb" + "ian",
            r"proxy\.go" + "lang",
            r"crates\." + "io",
        )
    )
)
BINARY = {".png", ".jpg", ".onnx", ".safetensors", ".npz", ".wav", ".flac", ".ico", ".parquet"}
LARGEST_BYTES = 8 * 1024 * 1024


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def texts() -> list[tuple[Path, str]]:
    files = [file for file in tracked() if file.suffix not in BINARY and file.is_file()]
    return [(file, file.read_bytes().decode(errors="replace")) for file in files]


def test_the_top_level_is_the_list_and_nothing_else() -> None:
    assert {file.relative_to(ROOT).parts[0] for file in tracked()} <= TOP


def test_no_machine_path_is_committed() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {hit[0]}"
        for file, text in texts()
        if "static" not in file.parts and (hit := MACHINE.search(text))
    ]

    assert found == []


def test_no_registry_host_is_committed() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {hit[0]}"
        for file, text in texts()
        if "static" not in file.parts and (hit := REGISTRY.search(text))
    ]

    assert found == []


def test_no_committed_file_is_huge() -> None:
    huge = [str(f.relative_to(ROOT)) for f in tracked() if f.stat().st_size > LARGEST_BYTES]

    assert huge == []


def test_constraints_are_names_and_versions_only() -> None:
    lines = (ROOT / "deploy" / "constraints.txt").read_text().splitlines()

    odd = [x for x in lines if x and not x.startswith("#") and not re.fullmatch(r"[\w.-]+==\S+", x)]

    assert odd == []


def test_every_dependency_is_in_the_constraints() -> None:
    lines = (ROOT / "deploy" / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    project = (ROOT / "pyproject.toml").read_text()
    wanted = re.compile(r'^\s+"([A-Za-z0-9_-]+)(?:\[[^]]*\])?[=><~]', re.MULTILINE)
    declared = wanted.findall(project)

    assert {name.lower().replace("_", "-") for name in declared} - pinned - {"hatchling"} == set()


def test_tests_use_no_mocks_and_never_sleep() -> None:
    banned = re.compile("|".join((r"unittest[.]mo" + "ck", r"time[.]sl" + r"eep\(")))
    found = [
        str(file.relative_to(ROOT))
        for file, text in texts()
        if file.suffix == ".py" and file.parts[-2:] != ("architecture", file.name)
        if banned.search(text) and "TID251" not in text
    ]

    assert found == []
