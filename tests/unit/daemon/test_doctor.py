"""The doctor asks everybody at once, waits for nobody too long, and hides no bug."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmindustry.clock import SystemClock
from mmindustry.config.load import load
from mmindustry.daemon.doctor import examine
from mmindustry.daemon.finding import Finding, Patient, Verdict
from mmindustry.daemon.probe import examine_at_once
from mmindustry.errors import DependencyDown


def patient(folder: Path) -> Patient:
    loaded = load(None, environment={}, overrides={"run.data_dir": folder / "data"})
    return Patient(loaded=loaded, clock=SystemClock(), environment=os.environ)


def test_a_check_that_hangs_holds_up_nobody_and_is_named(tmp_path: Path) -> None:
    ended = threading.Event()

    def check_hanging(_: Patient) -> Iterator[Finding]:
        yield Finding("first", Verdict.OK, "there")
        ended.wait(60)

    def check_quick(_: Patient) -> Iterator[Finding]:
        yield Finding("quick", Verdict.OK, "there")

    found = list(
        examine_at_once([check_hanging, check_quick], patient(tmp_path), limit_seconds=0.2)
    )
    ended.set()

    assert [(f.name, f.verdict) for f in found] == [
        ("first", Verdict.OK),
        ("hanging", Verdict.FAIL),
        ("quick", Verdict.OK),
    ]
    assert "no answer within 0.2 s" in found[1].detail


def test_checks_run_at_once(tmp_path: Path) -> None:
    met = threading.Barrier(2, timeout=30)  # broken, an error, unless both are there together

    def check_one(_: Patient) -> Iterator[Finding]:
        met.wait()
        yield Finding("one", Verdict.OK, "")

    def check_other(_: Patient) -> Iterator[Finding]:
        met.wait()
        yield Finding("other", Verdict.OK, "")

    found = list(examine_at_once([check_one, check_other], patient(tmp_path), limit_seconds=60))

    assert [finding.name for finding in found] == ["one", "other"]


def test_an_expected_error_is_a_failed_check_and_a_bug_stays_a_bug(tmp_path: Path) -> None:
    def check_service(_: Patient) -> Iterator[Finding]:
        raise DependencyDown("the service is away\nand more")

    def check_wrong(_: Patient) -> Iterator[Finding]:
        raise ZeroDivisionError

    (found,) = examine_at_once([check_service], patient(tmp_path), limit_seconds=60)
    assert (found.name, found.verdict, found.detail) == (
        "service",
        Verdict.FAIL,
        "the service is away",
    )
    with pytest.raises(ZeroDivisionError):
        list(examine_at_once([check_wrong], patient(tmp_path), limit_seconds=60))


def test_a_machine_with_nothing_on_it_yet_is_well_and_stays_untouched(tmp_path: Path) -> None:
    ours = patient(tmp_path)

    found = {finding.name: finding for finding in examine(ours)}

    assert [f for f in found.values() if f.verdict is Verdict.FAIL] == []
    assert "will be made at the first start" in found["database"].detail
    assert list(tmp_path.iterdir()) == []
