"""What every daemon has: clock, log, metrics, health, pages, a watch, and an end."""

import faulthandler
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector
from structlog.typing import FilteringBoundLogger

import mmindustry
from mmindustry.clock import Clock, SystemClock
from mmindustry.config.load import Loaded
from mmindustry.config.settings import Settings
from mmindustry.daemon.stop import Stop, die_with_parent, obey_signals
from mmindustry.errors import MmindustryError
from mmindustry.telemetry.health import Health, Systemd, Watch
from mmindustry.telemetry.logs import adopt_library_logs, make_default, open_log
from mmindustry.telemetry.metrics import Metrics
from mmindustry.telemetry.pages import Pages

PARENT = "MMINDUSTRY_PARENT"
"""Environment variable with the process id a child must not outlive."""

_STALLED_EXIT = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A daemon's surroundings, handed to what it runs."""

    name: str
    settings: Settings
    clock: Clock
    log: FilteringBoundLogger
    metrics: Metrics
    health: Health
    stop: Stop
    systemd: Systemd

    def started(self) -> None:
        """Say everywhere that start-up is over."""
        self.health.start()
        self.systemd.ready()
        self.log.info("daemon_started", daemon=self.name, version=mmindustry.__version__)

    def beat(self) -> None:
        """Say that the main loop has come round."""
        self.health.beat()
        seen = self.metrics.heartbeat_seen_timestamp_seconds.labels(stage=self.name)
        seen.set(self.clock.now().timestamp())


@contextmanager
def living(name: str, loaded: Loaded, *, pages: bool = True) -> Iterator[Life]:
    """Return a daemon's surroundings: signals obeyed, crashes traced, health told.

    An error of ours is expected: it passes untraced, and ends the command as one plain line.

    Args:
        name: `worker`, `notifier` ...; a bounded set, also a metric label.
        loaded: The settings and the texts to mask.
        pages: Serve health and metrics on `telemetry.port`; a daemon with a web page of its own
            mounts them there instead.
    """
    faulthandler.enable()
    life = _new_life(name, loaded)
    parent = os.environ.get(PARENT, "")
    if parent.isdigit():
        die_with_parent(int(parent))
    obey_signals(life.stop, drain_seconds=life.settings.run.drain_seconds)
    adopted = adopt_library_logs(life.log)
    served = _serve(life) if pages and life.settings.telemetry.port >= 0 else None
    watch = _watch(life)
    try:
        yield life
    except MmindustryError as error:  # the command tells it in one plain line
        life.stop.request(error.code)
        raise
    except Exception:
        life.log.exception("daemon_crashed", daemon=name)
        raise
    finally:
        life.health.stop()
        life.systemd.stopping()
        watch.stop()
        if served:
            served.stop()
        life.log.info("daemon_stopped", daemon=name, reason=life.stop.reason)
        adopted.close()


def _new_life(name: str, loaded: Loaded) -> Life:
    clock = SystemClock()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = Metrics(registry)
    metrics.build_info.labels(version=mmindustry.__version__, python=platform.python_version()).set(
        1
    )
    telemetry = loaded.settings.telemetry
    log = open_log(telemetry, sys.stderr, clock, secrets=loaded.secrets, metrics=metrics)
    make_default(telemetry, sys.stderr, clock, secrets=loaded.secrets, metrics=metrics)
    return Life(
        name=name,
        settings=loaded.settings,
        clock=clock,
        log=log,
        metrics=metrics,
        health=Health(clock, stall_seconds=telemetry.stall_seconds),
        stop=Stop(),
        systemd=Systemd(os.environ.get("NOTIFY_SOCKET")),
    )


def _serve(life: Life) -> Pages:
    telemetry = life.settings.telemetry
    pages = Pages(life.health, life.metrics.registry, host=telemetry.host, port=telemetry.port)
    pages.start()
    life.log.info("pages_opened", host=telemetry.host, port=pages.port)
    return pages


def _watch(life: Life) -> Watch:
    def stalled(silent_seconds: float) -> None:
        life.log.error("daemon_stalled", daemon=life.name, silent_seconds=round(silent_seconds))
        faulthandler.dump_traceback(all_threads=True)
        os._exit(_STALLED_EXIT)

    telemetry = life.settings.telemetry
    watch = Watch(
        life.health,
        life.systemd,
        period_seconds=min(1.0, telemetry.stall_seconds / 3),
        exit_seconds=telemetry.stall_exit_seconds,
        stalled=stalled,
    )
    watch.start()
    return watch
