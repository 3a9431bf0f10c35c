"""Machines are simulated by processes of their own, which end with who asked for them."""

from multiprocessing import active_children
from pathlib import Path

import pytest

from mmindustry.training import examples
from mmindustry.training.examples import Order, make_data
from tests.noise import noise_spec


def test_who_stops_waiting_leaves_no_process_behind_and_whole_machines_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon, late = (Order(seed=5, visits=n, length_seconds=4.0) for n in (1, 5_000))
    before = {*active_children()}
    monkeypatch.setattr(examples, "_TOLD_EVERY", 1)

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_data(tmp_path, noise_spec(), [soon, late], workers=2, tell=stop)

    assert {*active_children()} <= before
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == [
        "machine-5-1-4s"
    ]
