"""What a process tree refuses before it starts anything."""

import pytest

from mmindustry.config.load import load
from mmindustry.daemon.all_in_one import run_all
from mmindustry.errors import ConfigError


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        ({"run.workers": 2}, "SQLite admits one worker"),
        ({"telemetry.port": 65_535}, "set it to 655"),
    ],
    ids=["workers", "ports"],
)
def test_settings_that_no_tree_can_have_are_refused(overrides: dict[str, int], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        run_all(load(None, environment={}, overrides=overrides), None)
