from pathlib import Path

import pytest

from mmindustry.errors import InputError
from mmindustry.gateway.plan import Frames, Logs, Sound, read_plan

GOOD = """
name: composite
sources:
  - kind: frames
    source: cam-1
    asset: a/b/c/d
    path: frames
    time: interval
    at: 2026-01-05T05:00:00Z
    every: 2s
  - {kind: audio, source: mic-1, asset: a/b/c/d, path: sound.wav, time: mtime}
  - kind: logs
    source: cmms
    asset: a/b/c/d
    path: orders.csv
    columns: {text: [Part, Action], time: Date}
    where: {Asset: "NO"}
"""


def test_a_plan_is_read_with_its_times_as_text(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(GOOD)

    plan = read_plan(file)

    frames, sound, logs = plan.sources
    assert isinstance(frames, Frames)
    assert (frames.at, frames.every) == ("2026-01-05T05:00:00Z", "2s")
    assert isinstance(sound, Sound)
    assert sound.chunk == "1s"
    assert isinstance(logs, Logs)
    assert logs.columns.text == ("Part", "Action")
    assert logs.where == {"Asset": "NO"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("every: 2s", "evry: 2s", "plan.yaml:4: sources[0]: Object contains unknown field `evry`"),
        (
            "asset: a/b/c/d\n    path: frames",
            "asset: A/b/c/d\n    path: f",
            "plan.yaml:6: sources[0].asset",
        ),
        ("kind: frames", "kind: films", "plan.yaml:4: sources[0].kind"),
        (
            "    source: cam-1\n",
            "",
            "plan.yaml:4: sources[0]: Object missing required field `source`",
        ),
        ("    every: 2s\n", "", "source 1 (cam-1): `time: interval` needs `every`"),
        ("    at: 2026-01-05T05:00:00Z\n", "", "source 1 (cam-1): `time: interval` needs `at`"),
        ("every: 2s", "every: 2s\n    shift: 1d", "`at` and `shift` exclude each other"),
        ("limit", "limit", ""),
        (
            "name: composite",
            "name: composite\nname: again",
            "plan.yaml: line 3: `name` stands there twice",
        ),
        ("time: Date}", "time: Date, colour: x}", "plan.yaml:16: sources[2].columns"),
        ("source: cmms", "source: [", "plan.yaml:"),
    ],
    ids=[
        "unknown",
        "path",
        "kind",
        "missing",
        "every",
        "at",
        "both",
        "none",
        "twice",
        "column",
        "yaml",
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(GOOD.replace(old, new))
    if not told:
        read_plan(file)
        return

    with pytest.raises(InputError) as error:
        read_plan(file)

    assert told in str(error.value)


def test_a_missing_plan_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml can't be read"):
        read_plan(tmp_path / "nowhere.yaml")


def test_a_plan_of_aliases_without_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    file.write_text("\n".join(lines))

    with pytest.raises(InputError, match="at most 100000 values"):
        read_plan(file)
