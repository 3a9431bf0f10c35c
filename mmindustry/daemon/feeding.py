"""A feed with all that it needs: the stream, the registry, the clock, a way to stop."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from mmindustry.clock import SystemClock
from mmindustry.config.settings import Settings
from mmindustry.daemon.places import open_record
from mmindustry.daemon.stop import Stop, obey_signals
from mmindustry.domain import AssetCard, Sensor
from mmindustry.gateway.feed import FeedReport, Outlets, feed, survey
from mmindustry.gateway.plan import Plan
from mmindustry.gateway.plan_file import read_plan
from mmindustry.gateway.policy import FeedPolicy
from mmindustry.store.database import Database
from mmindustry.store.plant import register_assets
from mmindustry.store.schema import require_current
from mmindustry.stream.admin import specs_of
from mmindustry.stream.entry import open_admin, open_publisher

_LEAST_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to feed: a plan's file, what its paths are relative to (None = the file's folder), and
    seconds of event time a second (None = as fast as it goes)."""

    plan: Path
    root: Path | None = None
    speed: float | None = None

    def read(self) -> tuple[Plan, Path]:
        """Return the plan and the root of its paths.

        Raises:
            InputError: The plan is missing or wrong.
        """
        return read_plan(self.plan), self.root or self.plan.parent


def run_feed(
    settings: Settings, wish: Wish, *, progress: Callable[[FeedReport], None], stop: Stop
) -> FeedReport:
    """Register the plan's sources and send their events; SIGINT and SIGTERM end it by `stop`.

    The topics of a local log are made where they are missing; those of Kafka are made by
    `mmindustry topics create`.

    Raises:
        InputError: The plan, a file or a time can't be used.
        DependencyDown: Stream or database are out of reach.
        PublishRefused: A topic is missing, or takes no message of that size.
    """
    plan, root = wish.read()
    clock = SystemClock()
    with ExitStack() as stack:
        database = open_record(settings)
        stack.callback(database.close)
        require_current(database)
        _make_topics(settings)
        publisher = open_publisher(settings.stream, clock=clock)
        stack.callback(publisher.close)
        obey_signals(stop, drain_seconds=settings.run.drain_seconds)
        outlets = Outlets(
            publisher=publisher,
            register=lambda sensors: _register(database, sensors),
            clock=clock,
            wait=stop.wait,
            codec=settings.codec,
            windows=settings.windowing,
            progress=progress,
        )
        policy = bounded(settings)
        return feed(plan, root, speed=wish.speed, outlets=outlets, policy=policy)


def look_ahead(settings: Settings, wish: Wish) -> tuple[FeedReport, Sequence[Sensor]]:
    """Return what a feed would send now, and the sources it would register; nothing is touched.

    Raises:
        InputError: The plan, a file or a time can't be used.
    """
    plan, root = wish.read()
    now = SystemClock().now()
    found = survey(plan, root, speed=wish.speed, now=now, codec=settings.codec)
    report = found.report()
    report.first, report.last = found.span
    return report, found.sensors


def bounded(settings: Settings) -> FeedPolicy:
    """Return the feed's policy within what windows forgive: one length, and the grace."""
    windowing = settings.windowing
    most = min(windowing.length_seconds, max(windowing.grace_seconds, _LEAST_SECONDS))
    seconds = min(settings.feed.unacknowledged_seconds, most)
    return replace(settings.feed, unacknowledged_seconds=seconds)


def _register(database: Database, sensors: Sequence[Sensor]) -> None:
    cards = {sensor.asset: AssetCard() for sensor in sensors}
    register_assets(database, cards, sensors, now=SystemClock().now())


def _make_topics(settings: Settings) -> None:
    if settings.stream.kind != "local":
        return
    admin = open_admin(settings.stream)
    try:
        admin.create(specs_of(settings.stream.topics))
    finally:
        admin.close()
