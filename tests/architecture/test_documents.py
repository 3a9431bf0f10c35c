"""What the README and the handbook tell people to type exists, and what they link to is there."""

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mmindustry.cli.main import load
from mmindustry.cli.table import COMMANDS
from mmindustry.store.equipment_files import read_equipment
from tests.codec_samples import png
from tests.unit.gateway.material import Plant

ROOT = Path(__file__).parents[2]
HANDBOOK = ROOT / "deploy" / "handbook"
PAGES = [ROOT / "README.md", *sorted(HANDBOOK.rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def fences(text: str, language: str) -> list[str]:
    return [body for kind, body in _FENCE.findall(text) if kind == language]


def typed(text: str, program: str) -> Iterator[list[str]]:
    """Yield the words after `program` of each command in a shell block or between backticks."""
    blocks = "\n".join(fences(text, "sh")).replace("\\\n", " ")
    inline = _INLINE.findall(_FENCE.sub("", text))
    for line in (*blocks.splitlines(), *inline):
        words = line.partition("#")[0].split()
        if words[:1] == [program]:
            yield words[1:]


@cache
def command_of(name: str) -> Any:
    entry = next((entry for entry in COMMANDS if entry.name == name), None)
    return None if entry is None else load(entry)


def mistake(words: list[str]) -> str:
    """Return what is wrong with `mmindustry WORDS`; empty: it can be typed."""
    command = command_of(words[0]) if words else None
    if command is None:
        return f"no such command: mmindustry {' '.join(words)}"
    if verbs := getattr(command, "commands", None):
        if len(words) > 1 and words[1] not in verbs:
            return f"no such verb: mmindustry {' '.join(words)}"
        command = verbs[words[1]] if len(words) > 1 else command
    known = {name for parameter in command.params for name in parameter.opts}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word not in known]
    return f"no such option: {unknown} of mmindustry {' '.join(words)}" if unknown else ""


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_the_documents_can_be_typed(page: Path) -> None:
    told = list(typed(page.read_text(), "mmindustry"))

    assert [wrong for words in told if (wrong := mistake(words))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_in_the_documents_exists(page: Path) -> None:
    wanted = {words[0] for words in typed(page.read_text(), "make") if words}

    assert wanted - TARGETS == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_the_checks_see_what_is_wrong() -> None:
    assert mistake(["nosuch"])
    assert mistake(["topics", "nosuch"])
    assert mistake(["demo", "--nosuch"])
    assert mistake(["demo", "--until-alarm"]) == ""
    assert list(typed("```sh\nmmindustry demo  # x\n```\n`mmindustry doctor`", "mmindustry")) == [
        ["demo"],
        ["doctor"],
    ]


def test_the_readme_names_every_page_of_the_handbook() -> None:
    readme = (ROOT / "README.md").read_text()
    pages = [page.relative_to(ROOT).as_posix() for page in HANDBOOK.glob("*.md")]

    assert [page for page in pages if f"({page})" not in readme] == []


def test_every_decision_is_listed() -> None:
    listed = set(_LINK.findall((HANDBOOK / "decisions" / "README.md").read_text()))
    pages = {page.name for page in (HANDBOOK / "decisions").glob("*.md")} - {"README.md"}

    assert pages == listed


def from_readme(title: str) -> str:
    blocks = fences((ROOT / "README.md").read_text(), "yaml")
    return next(block for block in blocks if block.startswith(f"# {title}\n"))


def test_the_equipment_of_the_readme_is_read(tmp_path: Path) -> None:
    file = tmp_path / "equipment.yaml"
    file.write_text(from_readme("equipment.yaml"))

    assets = [path for path, _ in read_equipment(file).assets()]

    assert assets == ["north/press/line-1/pump-1"]


def test_the_plan_of_the_readme_plays_the_files_it_names(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    for second in (0, 2, 4):
        plant.write(f"frames/20260301T08000{second}.png", png(4, 3) + bytes([second]))
    plant.sound("sound.wav", 5)
    plant.write("orders.csv", "Date,Text\n2026-02-27,chk brg noisy\n2026-02-28,replaced seal\n")

    plant.clock.crank(timedelta(days=365).total_seconds())
    report = plant.feed(from_readme("plan.yaml"))

    assert report.sent == {"cam-1": 3, "mic-1": 5, "cmms": 2}
