"""When the profiler runs, and what `run` starts of it."""

from pathlib import Path

import pytest

from mmindustry.config.load import load
from mmindustry.config.settings import Settings
from mmindustry.daemon.all_in_one import children_of
from mmindustry.daemon.profiler import learner_words, why_idle


def settings(**overrides: object) -> Settings:
    return load(None, environment={}, overrides=overrides).settings


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        ({}, ""),
        ({"profiles.learn": False}, "profiles.learn is off"),
        ({"archive.url": "off"}, "archive.url is off"),
        ({"retention.raw_days": 0.5}, "keeps 12 hours of evidence"),
        ({"retention.raw_days": 0}, ""),
    ],
    ids=["default", "off", "no archive", "short retention", "kept for ever"],
)
def test_the_profiler_runs_where_it_could_ever_learn(
    overrides: dict[str, object], word: str
) -> None:
    reason = why_idle(settings(**overrides))
    names = [child.name for child in children_of(settings(**overrides), None)]

    assert bool(reason) == bool(word)
    assert word in reason
    assert ("profiler" in names) == (not word)


def test_its_learner_reads_the_same_settings() -> None:
    assert learner_words(Path("m.yaml"))[-4:] == ("profile", "learn", "-c", "m.yaml")
    assert learner_words(None)[-2:] == ("profile", "learn")
