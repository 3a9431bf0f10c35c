from pathlib import Path

import pytest

from mmindustry.errors import InputError
from mmindustry.gateway.plan import Frames, Logs, Sound
from mmindustry.gateway.plan_file import read_plan

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
        (
            "every: 2s",
            "evry: 2s",
            "plan.yaml:10:5: sources[0].evry: unknown field; did you mean `every`?",
        ),
        (
            "asset: a/b/c/d\n    path: frames",
            "asset: A Pump\n    path: f",
            "plan.yaml:6:5: sources[0].asset: 'A Pump' is no asset path: four parts site/area/line",
        ),
        (
            "kind: frames",
            "kind: films",
            "plan.yaml:4:5: sources[0].kind: 'films' is none of frames, audio, logs, states",
        ),
        ("    source: cam-1\n", "", "plan.yaml:4:5: sources[0].source: is missing"),
        ("    every: 2s\n", "", "plan.yaml:4:5: sources[0]: `time: interval` needs `every`"),
        (
            "    at: 2026-01-05T05:00:00Z\n",
            "",
            "plan.yaml:4:5: sources[0]: `time: interval` needs `at`",
        ),
        (
            "every: 2s",
            "every: 2s\n    shift: 1d",
            "plan.yaml:11:5: sources[0]: `at` and `shift` exclude each other",
        ),
        (
            "05:00:00Z",
            "05:00:00",
            "plan.yaml:9:5: sources[0]: at: 2026-01-05T05:00:00: add the zone",
        ),
        ("every: 2s", "every: 0s", "plan.yaml:10:5: sources[0]: every: must be above 0"),
        ("every: 2s", "every: 2s\n    zone: Mars/X", "plan.yaml:11:5: sources[0]: zone: Mars/X"),
        ("time: mtime", 'time: mtime, chunk: "1"', "sources[1]: chunk: 1: expected a duration"),
        ("time: mtime", 'pattern: "("', "sources[1]: pattern: (: missing )"),
        ("time: mtime", "pattern: abc", "sources[1]: pattern: abc: put the time in a group"),
        ("time: mtime", "time: exif", "sources[1].time: 'exif' is none of name, mtime"),
        ("time: mtime", "glob: /x/*", "sources[1]: glob: '/x/*': give a pattern below"),
        ("where:", "encoding: klingon\n    where:", "sources[2]: encoding: klingon: no such"),
        ("where:", 'format: "%Q"\n    where:', "plan.yaml:17:5: sources[2]: format: %Q:"),
        ("where:", "format: iso\n    where:", "format: iso: expected rfc3339, unix, unix_ms, or"),
        ("where:", "time_precision: day\n    where:", "time_precision: day: expected a duration"),
        ('where: {Asset: "NO"}', "where: {Asset: 5}", "sources[2].where: Expected `str | array`"),
        ("path: orders.csv", "path: 7", "plan.yaml:15:5: sources[2].path: Expected `str`"),
        ("text: [Part, Action], ", "", "plan.yaml:16:5: sources[2].columns.text: is missing"),
        ("columns: {text: [Part, Action], time: Date}", "columns: 5", "sources[2].columns: Exp"),
        (
            "name: composite",
            "name: composite\nname: again",
            "plan.yaml:3:1: name: stands there twice",
        ),
        (
            "time: Date}",
            "time: Date, colour: x}",
            "plan.yaml:16:49: sources[2].columns.colour: unknown field; there are author, id,",
        ),
        ("source: cmms", "source: [", "plan.yaml:"),
        ("name: composite", "- 5", "plan.yaml:"),
    ],
    ids=str,
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(GOOD.replace(old, new, 1))

    with pytest.raises(InputError) as error:
        read_plan(file)

    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "5", "[]", "name: x", "name: x\nsources: []"], ids=str)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(text)

    with pytest.raises(InputError, match=r"plan\.yaml:1:1|plan\.yaml:2:1"):
        read_plan(file)


MANY = """
name: many
sources:
  - {kind: frames, source: cam-1, asset: Pump 1, path: f, at: 2026-01-05T05:00:00, colour: red}
  - {kind: films, source: cam-2, asset: a/b/c/d, path: f}
  - {kind: logs, source: cmms, path: 5, zone: Mars/X, columns: {time: Date}}
  - {kind: audio, source: mic, asset: a/b/c/d, path: s, time: interval, limit: 0, every: soon}
"""


def test_all_mistakes_are_told_at_once_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(MANY)

    with pytest.raises(InputError) as error:
        read_plan(file)

    told = [line.split(": ", 2)[1:] for line in str(error.value).splitlines()]
    assert [place for place, *_ in told] == [
        "sources[0].asset",
        "sources[0]",
        "sources[0].colour",
        "sources[1].kind",
        "sources[2].asset",
        "sources[2].path",
        "sources[2]",
        "sources[2].columns.text",
        "sources[3]",
        "sources[3].limit",
        "sources[3]",
    ]
    assert str(error.value).count("plan.yaml:7:") == 3


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
