"""A machine's normal, learned from the record it left: when told to, and by the running stack."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmindustry.clock import SystemClock
from mmindustry.codec.policy import CodecPolicy
from mmindustry.simulate.plant import SimulatedPlant
from mmindustry.simulate.roads import Emission
from mmindustry.simulate.scenario import demo_scenario
from mmindustry.simulate.wire import later
from mmindustry.store import tables
from mmindustry.store.profiles import ProfileRow, list_profiles
from mmindustry.stream.admin import specs_of
from mmindustry.stream.entry import open_admin, open_publisher
from mmindustry.stream.policy import LocalPolicy, StreamPolicy
from tests.journeys.stack import ROOT, children_of, free_port, is_alive, page, running, until
from tests.journeys.stage import WINDOWING, Stage

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LEARNED_SECONDS = 384.0
ONSET_SECONDS = 480.0
END_SECONDS = 540.0
LEAST = 80
CALM = 15
"""The seed of a machine whose picture and sound are both steady over so few minutes: on others
some passing sound or light, not met before, lasts long enough to be no part of its normal."""


@dataclass
class Machine:
    """One simulated machine that is well for eight minutes and then loses a bearing."""

    stage: Stage
    plant: SimulatedPlant
    coming: Iterator[Emission]
    dashboard: int
    sent: int = 0

    @property
    def asset(self) -> str:
        return self.plant.fleet[0].path

    def play(self, until_seconds: float) -> None:
        """Send all that arrives before so many seconds, as fast as it goes; wait for its record."""
        end = later(self.plant.start, until_seconds)
        batches: dict[str, list[tuple[bytes, bytes, Any]]] = {}
        for emission in self.coming:
            message = (emission.key, emission.value, emission.headers)
            batches.setdefault(emission.topic, []).append(message)
            if emission.arrival >= end:
                break
        publisher = open_publisher(self.stage.stream, clock=SystemClock())
        for topic, messages in batches.items():
            publisher.send(topic, messages)
            self.sent += len(messages)
        publisher.close()
        until(lambda: sum(b.received for b in self.stage.balances()) >= self.sent, "all received")

    def judged(self, first: float, last: float) -> list[dict[str, Any]]:
        """Return what was said of the windows in [first, last], seconds after the start."""
        rows = (dict(row) for row in self.stage.rows(tables.predictions))
        begin, end = later(START, first), later(START, last)
        return sorted(
            (row for row in rows if begin <= row["start"] and row["end"] <= end),
            key=lambda row: str(row["start"]),
        )

    def archived(self) -> int:
        query = tables.windows.select().where(tables.windows.c.shard > "")
        with self.stage.record() as database, database.read() as connection:
            return len(connection.execute(query).all())

    def profiles(self) -> list[ProfileRow]:
        with self.stage.record() as database:
            return list_profiles(database, every=True)


def make_machine(folder: Path, **profiles: Any) -> Machine:
    """Return the machine and its stack on the local log, served by the built-in bundle."""
    dashboard, pages = free_port(), free_port()
    settings = {
        "config_version": 1,
        "stream": {"local": {"folder": str(folder / "stream")}},
        "store": {"url": f"sqlite:///{folder}/mmindustry.db"},
        "archive": {"url": str(folder / "archive"), "shard_seconds": 0.2, "free_bytes": 0},
        "windowing": WINDOWING,
        "profiles": {"least_windows": LEAST, "guard_seconds": 20, **profiles},
        "dashboard": {"port": dashboard},
        "telemetry": {"port": pages, "log_format": "json"},
    }
    (folder / "mmindustry.yaml").write_text(json.dumps(settings))
    stream = StreamPolicy(local=LocalPolicy(folder=str(folder / "stream")))
    admin = open_admin(stream)
    admin.create(specs_of(stream.topics))
    admin.close()
    stage = Stage(folder, pages, stream, CodecPolicy(), f"sqlite:///{folder}/mmindustry.db")
    plant = _plant()
    (folder / "equipment.yaml").write_text(json.dumps(plant.equipment()))
    assert stage.command("plant", "import", "equipment.yaml").returncode == 0
    return Machine(stage, plant, plant.emissions(END_SECONDS), dashboard)


def _plant() -> SimulatedPlant:
    scenario = demo_scenario()
    told = scenario.script(later(START, ONSET_SECONDS - 12.0))
    policy = replace(scenario.policy, assets=1, seed=CALM)
    asset = SimulatedPlant(policy, START).fleet[0].path
    episodes = (replace(told.episodes[0], asset=asset),)
    script = replace(told, episodes=episodes, twins=(), notes=())
    return SimulatedPlant(policy, START, script=script)


def test_a_profile_learned_from_the_record_tells_a_fault_from_the_machines_own_normal(
    tmp_path: Path,
) -> None:
    machine = make_machine(tmp_path, learn=False)
    stage = machine.stage
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    bare = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    with running(stage, "worker"):
        stage.until_ready()
        machine.play(LEARNED_SECONDS)
        until(lambda: machine.archived() >= LEAST + 10, "archived")
        early = "2026-03-02T08:02:00Z"
        few = stage.command("profile", "learn", machine.asset, "--to", early)
        look = stage.told("profile", "learn", machine.asset, "--dry-run")
        done = stage.command("profile", "learn", machine.asset, "--json", **bare)
        lesson = json.loads(done.stdout)
        machine.play(ONSET_SECONDS)
        machine.play(END_SECONDS)
        until(lambda: len(machine.judged(ONSET_SECONDS, END_SECONDS)) >= 10, "the fault judged")
        with running(stage, "dashboard"):
            path = f"/api/v1/windows?under={machine.asset}"
            until(lambda: page(machine.dashboard, path)[0] == 200, "a page")
            shown = json.loads(page(machine.dashboard, path)[1])["rows"]
            told = page(machine.dashboard, f"/windows/{shown[0]['id']}")[1]

    assert few.returncode == 65
    assert f"{LEAST} are needed" in few.stderr
    assert (look["profile"], look["windows"] >= LEAST) == (None, True)
    assert lesson["profile"] == f"{machine.asset}@1"
    assert set(lesson["references"]) == {"image", "audio"}
    assert len(lesson["cameras"]) == 1
    _check_told(machine)
    assert shown[0]["novelty_p"] < 0.05
    assert f"{machine.asset}@1" in told


def _check_told(machine: Machine) -> None:
    before = machine.judged(0, LEARNED_SECONDS - 8)
    well = machine.judged(LEARNED_SECONDS + 8, ONSET_SECONDS)
    sick = machine.judged(ONSET_SECONDS + 8, END_SECONDS)
    surprised = [row for row in well if row["novelty_p"] < 0.05]

    assert len(before) >= LEAST
    assert not any(row["novelty"] for row in before)
    assert all(row["profile"] == f"{machine.asset}@1" for row in (*well, *sick))
    assert len(well) >= 20
    assert len(surprised) <= len(well) * 0.3
    assert len(sick) >= 8
    assert all(p < 0.05 for row in sick for p in row["novelty"].values())
    alarms = {row["fault"] for row in machine.stage.rows(tables.alarms)}
    assert alarms == {"bearing_outer"}


def test_the_profiler_learns_once_what_is_ripe_whatever_kills_it(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, normal_hours=0.09, check_seconds=0.5)
    stage, log = machine.stage, tmp_path / "profiler.log"
    own = {"MMINDUSTRY__TELEMETRY__PORT": str(free_port())}
    with running(stage, "worker"):
        stage.until_ready()
        with running(stage, "profiler", **own) as profiler:
            machine.play(LEARNED_SECONDS * 0.5)
            until(lambda: "daemon_started" in log.read_text(), "started")
            assert machine.profiles() == []
            machine.play(LEARNED_SECONDS)
            until(lambda: bool(children_of(profiler.pid)), "a learner")
            learners = children_of(profiler.pid)
            profiler.send_signal(signal.SIGKILL)
            profiler.wait()
        until(lambda: not any(map(is_alive, learners)), "the learner goes with it")
        assert machine.profiles() == []
        with running(stage, "profiler", **own) as profiler:
            until(lambda: bool(machine.profiles()), "a profile", seconds=90)
            until(lambda: "profile_learned" in log.read_text(), "told")
            profiler.send_signal(signal.SIGTERM)
            code = profiler.wait(20)
        machine.play(ONSET_SECONDS)
        until(lambda: bool(machine.judged(LEARNED_SECONDS + 8, ONSET_SECONDS)), "judged")

    assert code == 0
    assert [(row.version, row.active) for row in machine.profiles()] == [(1, True)]
    assert machine.judged(LEARNED_SECONDS + 8, ONSET_SECONDS)[-1]["novelty"]
