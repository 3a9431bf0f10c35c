"""The demo: a simulated plant, the whole line and its dashboard on this machine, nothing kept."""

import json
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmindustry.clock import Clock
from mmindustry.config.load import Loaded, load
from mmindustry.config.settings import Settings
from mmindustry.daemon.life import Life, living
from mmindustry.daemon.scratch import scratch_folder
from mmindustry.daemon.supervise import Child, Family
from mmindustry.errors import DependencyDown
from mmindustry.simulate.play import Play, run_simulation
from mmindustry.simulate.scenario import Scenario, demo_scenario, healthy_scenario
from mmindustry.store.database import Database, open_database
from mmindustry.store.queries.alarms import AlarmRow, list_alarms
from mmindustry.store.queries.scope import Scope
from mmindustry.store.queries.windows import count_judged
from mmindustry.store.schema import require_current
from mmindustry.stream.entry import open_admin, open_publisher
from mmindustry.web.listen import require_free

if TYPE_CHECKING:
    from mmindustry.simulate.plant import SimulatedPlant

_LOOK_SECONDS = 0.2
_ALL_ALARMS = 500
_HOST = "127.0.0.1"
_DASHBOARD = "dashboard"
_PREFIX = "mmindustry-demo-"
WINDOW_SECONDS = 4
_WARM_UP_SECONDS = 20.0
"""What may pass before the first window is judged: processes start, a window closes, waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a demo is to show, and when it ends.

    `until_alarm`: end at the first alarm. `healthy`: no fault comes. `seconds`: end after so long;
    None = at Ctrl-C. `port`: of the dashboard, 0 = a free one.
    """

    until_alarm: bool = False
    healthy: bool = False
    seconds: float | None = None
    port: int = 0
    seed: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAlarm:
    """An alarm as the demo tells it; seconds count from the start of the stack."""

    asset: str
    fault: str
    priority: str
    at: datetime
    after_seconds: float


@dataclass(slots=True)
class Report:
    """What a demo saw. `onset` and the scripted asset and fault are the simulator's truth.

    `cut_short`: why it ended before its time, "" where it did not; `exit_code`: of the signal that
    did it, 0 for none. `least_windows`: fewer judged windows than these show nothing.
    """

    asset: str
    fault: str
    onset: datetime | None
    least_windows: int = 1
    alarms: list[SeenAlarm] = field(default_factory=list)
    windows_judged: int = 0
    seconds: float = 0.0
    cut_short: str = ""
    exit_code: int = 0

    @property
    def is_as_scripted(self) -> bool:
        """Whether it ran its time, enough windows were judged, and the alarms are the scripted
        ones: its asset and fault, none before onset."""
        if self.cut_short or self.windows_judged < self.least_windows:
            return False
        if self.onset is None:
            return not self.alarms
        told = [alarm for alarm in self.alarms if alarm.at >= self.onset]
        return len(told) == len(self.alarms) and all(
            (alarm.asset, alarm.fault) == (self.asset, self.fault) for alarm in told
        )


def least_windows(assets: int, wish: Wish) -> int:
    """Return how many windows must be judged at least for a demo to show something.

    Half of what fits into the time asked for once everything is warm; one where no time was.

    >>> least_windows(4, Wish(seconds=120))
    50
    """
    if wish.until_alarm or wish.seconds is None:
        return 1
    warm = max(wish.seconds - _WARM_UP_SECONDS, 0.0)
    return max(1, int(assets * warm / WINDOW_SECONDS / 2))


def run_demo(
    wish: Wish, *, ready: Callable[[str], None], raised: Callable[[SeenAlarm], None]
) -> Report:
    """Run the demo to its end and return what it saw; nothing stays behind on this machine.

    Args:
        wish: What to show.
        ready: Told the dashboard's URL once it answers.
        raised: Told each alarm as it comes.

    Raises:
        Busy: The port asked for is taken; nothing was started.
        ChildFailed: A part of the stack can't be kept alive.
    """
    require_free(_HOST, wish.port, "--port")
    with scratch_folder(_PREFIX) as folder:
        loaded = _settings(folder, wish)
        with living("demo", loaded, pages=False) as life:
            return _Demo(life, folder, wish, raised).run(ready)


class _Demo:
    def __init__(
        self, life: Life, folder: Path, wish: Wish, raised: Callable[[SeenAlarm], None]
    ) -> None:
        self._life = life
        self._folder = folder
        self._wish = wish
        self._raised = raised
        self._begun = life.clock.monotonic()
        self._told: set[str] = set()

    def run(self, ready: Callable[[str], None]) -> Report:
        settings = self._life.settings
        scenario = self._scenario()
        plant = scenario.plant(self._life.clock.now(), codec=settings.codec)
        _prepare(settings, plant, self._folder, self._life.clock)
        family = self._family(settings)
        player = threading.Thread(target=self._play, args=(plant,), name="plant", daemon=True)
        onset = next((episode.onset for episode in plant.episodes(60.0)), None)
        least = least_windows(scenario.policy.assets, self._wish)
        report = Report(scenario.path, scenario.fault, onset, least)
        try:
            family.start()
            player.start()
            self._life.started()
            self._watch(family, report, ready)
        finally:
            self._life.stop.request("the demo is over")
            player.join(timeout=10)
            family.end()
        report.seconds = self._life.clock.monotonic() - self._begun
        if family.failed:
            raise family.failed
        return report

    def _scenario(self) -> Scenario:
        made = healthy_scenario if self._wish.healthy else demo_scenario
        return made(self._wish.seed)

    def _family(self, settings: Settings) -> Family:
        config = ("-c", str(self._folder / "mmindustry.yaml"))
        children = [
            Child(name, ("-q", name, *config), sealed=True, output=self._folder / f"{name}.out")
            for name in self._daemons()
        ]
        return Family(children, settings.run, clock=self._life.clock, log=self._life.log)

    def _daemons(self) -> tuple[str, ...]:
        """Return who runs; there is no normal to learn before the first alarm."""
        line = ("worker", "notifier", _DASHBOARD)
        return line if self._wish.until_alarm else (*line, "profiler")

    def _play(self, plant: "SimulatedPlant") -> None:
        """Send what the plant gives, in real time, until the demo ends; its own end ends it."""
        stop, clock = self._life.stop, self._life.clock
        try:
            with closing(open_publisher(self._life.settings.stream, clock=clock)) as publisher:
                play = Play(until_seconds=None)
                run_simulation(plant, publisher, clock=clock, stop=stop, play=play)
        except DependencyDown as error:
            stop.request(f"the simulated plant stopped: {error}")
        finally:
            stop.request("the simulated plant stopped by an error")  # else the demo asked for it

    def _watch(self, family: Family, report: Report, ready: Callable[[str], None]) -> None:
        database = open_database(self._life.settings.store)
        shown = False
        try:
            while not self._is_over(report):
                if self._life.stop.wait(_LOOK_SECONDS):
                    report.cut_short = self._life.stop.reason
                    report.exit_code = self._life.stop.exit_code
                    break
                self._life.beat()
                if not family.attend():
                    return
                url = "" if shown else self._url()
                if url:
                    shown = True
                    ready(url)
                self._look(database, report)
            with database.read() as connection:
                report.windows_judged = count_judged(connection)
        finally:
            database.close()

    def _url(self) -> str:
        """Return what our own dashboard printed once it answered; empty before that."""
        printed = self._folder / f"{_DASHBOARD}.out"
        text = printed.read_text() if printed.exists() else ""
        return text.splitlines()[0] + "/" if "\n" in text else ""

    def _is_over(self, report: Report) -> bool:
        if self._wish.until_alarm and report.alarms:
            return True
        limit = self._wish.seconds
        return limit is not None and self._life.clock.monotonic() - self._begun >= limit

    def _look(self, database: Database, report: Report) -> None:
        with database.read() as connection:
            page = list_alarms(connection, Scope(), active=False, limit=_ALL_ALARMS)
        for row in reversed(page.rows):
            if row.id not in self._told:
                self._told.add(row.id)
                alarm = self._seen(row)
                report.alarms.append(alarm)
                self._raised(alarm)

    def _seen(self, row: AlarmRow) -> SeenAlarm:
        after = self._life.clock.monotonic() - self._begun
        return SeenAlarm(
            asset=row.asset,
            fault=row.fault,
            priority=row.priority,
            at=row.raised_at,
            after_seconds=after,
        )


def _settings(folder: Path, wish: Wish) -> Loaded:
    """Write the demo's settings where its processes read them, and return them."""
    document: dict[str, Any] = {
        "config_version": 1,
        "run": {"data_dir": str(folder), "drain_seconds": 8},
        "store": {"synchronous": "normal"},
        "archive": {"shard_seconds": 5, "free_bytes": 0},
        "windowing": {
            "name": f"tumbling-{WINDOW_SECONDS}s",
            "length_seconds": WINDOW_SECONDS,
            "hop_seconds": WINDOW_SECONDS,
            "grace_seconds": 2,
            "max_wait_seconds": 4,
        },
        "alerting": {"k": 2, "n": 3},
        "profiles": {
            "normal_hours": 0.1,  # six minutes, ninety windows: for looking at, not for a plant
            "least_windows": 80,
            "guard_seconds": 60,
            "check_seconds": 15,
        },
        "record": {"alarm_channels": ["mm.alarms"]},
        "dashboard": {"host": _HOST, "port": wish.port or _free_port(), "title": "demo"},
        "telemetry": {"port": -1, "log_level": "warning"},
    }
    file = folder / "mmindustry.yaml"
    file.write_text(json.dumps(document, indent=1))  # JSON is YAML 1.2
    return load(file, environment={})


def _prepare(settings: Settings, plant: "SimulatedPlant", folder: Path, clock: Clock) -> None:
    """Make topics and tables, and register the plant."""
    from mmindustry.store.equipment_files import read_equipment
    from mmindustry.store.plant import import_equipment
    from mmindustry.stream.admin import specs_of

    admin = open_admin(settings.stream)
    try:
        admin.create(specs_of(settings.stream.topics))
    finally:
        admin.close()
    papers = folder / "equipment.yaml"
    papers.write_text(json.dumps(plant.equipment()))
    database = open_database(settings.store)
    try:
        require_current(database)
        import_equipment(database, read_equipment(papers), clock.now())
    finally:
        database.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
