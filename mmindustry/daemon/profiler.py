"""The profiler: learns an asset's first profile once there is enough of its normal."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import IO

from mmindustry.config.load import Loaded
from mmindustry.config.settings import Settings
from mmindustry.daemon.awaiting import await_record
from mmindustry.daemon.life import PARENT, Life, living
from mmindustry.daemon.places import open_record
from mmindustry.errors import DependencyDown
from mmindustry.fusion.bundle import bundle_folder, read_manifest
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.normal import (
    Sought,
    count_archived,
    hours_wanted,
    read_normal,
    unlearned,
)

_BEAT_SECONDS = 0.5
_LONGEST_SECONDS = 3600.0
"""A learner that takes longer than this is ended; the most windows there may be take minutes."""
_AGAIN_SECONDS = 3600.0
_OUTCOMES: Mapping[int, str] = {0: "learned", 65: "refused", 75: "busy"}
"""Exit code of `mmindustry profile learn` -> outcome; any other is a failure."""

_Pair = tuple[str, str]


def run_profiler(loaded: Loaded, file: Path | None) -> None:
    """Learn profiles until SIGTERM, each in a short process of its own at the lowest priority.

    Args:
        loaded: The settings.
        file: Where they came from; the learners read it again.

    Raises:
        BundleError: The serving bundle is damaged.
    """
    with living("profiler", loaded) as life, ExitStack() as stack:
        database = open_record(life.settings)
        stack.callback(database.close)
        if not await_record(life, database):
            return
        default = read_manifest(bundle_folder(life.settings.fusion.bundle)).id
        profiler = Profiler(life, database, default, learner_words(file))
        life.started()
        reason = why_idle(life.settings)
        if reason:
            life.log.info("profiler_idle", reason=reason)
        while not life.stop.wanted():
            if not reason:
                profiler.look_round()
            profiler.rest()


def why_idle(settings: Settings) -> str:
    """Return why nothing is ever learned under these settings; empty where it is."""
    if not settings.profiles.learn:
        return "profiles.learn is off"
    if settings.archive.url == "off":
        return "archive.url is off"
    kept = settings.retention.raw_days * 24
    if 0 < kept < settings.profiles.normal_hours:
        return (
            f"retention.raw_days keeps {kept:g} hours of evidence, "
            f"profiles.normal_hours asks for {settings.profiles.normal_hours:g}"
        )
    return ""


def learner_words(file: Path | None) -> tuple[str, ...]:
    """Return the command that learns one asset; its path and bundle follow."""
    config = ("-c", str(file)) if file else ()
    return (sys.executable, "-m", "mmindustry", "-q", "profile", "learn", *config)


class Profiler:
    """Looks which assets are ripe, and has them learned one after the other."""

    def __init__(
        self, life: Life, database: Database, default_bundle: str, words: tuple[str, ...]
    ) -> None:
        """Take what is needed.

        Args:
            life: Settings, clock, log, metrics, stop.
            database: The record.
            default_bundle: Who serves assets that no assignment names.
            words: The command that learns one asset.
        """
        self._life = life
        self._database = database
        self._default = default_bundle
        self._words = words
        self._later: dict[_Pair, float] = {}

    def look_round(self) -> None:
        """Learn every asset without a profile whose normal is enough by now."""
        up = self._life.metrics.dependency_up.labels(dependency="database")
        try:
            for pair in self._waiting():
                self._life.beat()
                if self._life.stop.wanted():
                    return
                if self._is_ripe(pair):
                    self._learn(pair)
        except DependencyDown as error:
            up.set(0)
            self._life.health.set("database", ok=False, detail=str(error))
            self._life.log.warning("database_awaited", error=str(error).splitlines()[0])
        else:
            up.set(1)
            self._life.health.set("database", ok=True)

    def rest(self) -> None:
        """Wait for the next look, beating."""
        clock = self._life.clock
        until = clock.monotonic() + self._life.settings.profiles.check_seconds
        while clock.monotonic() < until:
            self._life.beat()
            left = until - clock.monotonic()
            if self._life.stop.wait(max(0.0, min(_BEAT_SECONDS, left))):
                return

    def _waiting(self) -> list[_Pair]:
        """Return the assets to look at now, those put off left out."""
        with told_plainly(self._database), self._database.read() as connection:
            pairs = unlearned(connection, self._default)
        now = self._life.clock.monotonic()
        self._later = {pair: due for pair, due in self._later.items() if due > now}
        return [pair for pair in pairs if pair not in self._later]

    def _is_ripe(self, pair: _Pair) -> bool:
        """Return whether an asset has enough normal; one that has not is put off for a while."""
        settings = self._life.settings
        policy, windowing = settings.profiles, settings.windowing
        sought = Sought(
            asset=pair[0],
            bundle=pair[1],
            policy=windowing.name,
            guard=timedelta(seconds=policy.guard_seconds),
        )
        step = min(windowing.hop_seconds, windowing.length_seconds)
        with told_plainly(self._database), self._database.read() as connection:
            wanted = max(policy.normal_hours, hours_wanted(connection, *pair))
            if count_archived(connection, sought) * step < wanted * 3600:
                return False
            normal = read_normal(connection, sought)
        missing = wanted - normal.hours
        if missing <= 0 and len(normal.windows) >= policy.least_windows:
            return True
        # a plant at real speed can't have it sooner; half of that for one that plays its past
        self._put_off(pair, min(_AGAIN_SECONDS, max(0.0, missing) * 1800.0))
        return False

    def _put_off(self, pair: _Pair, seconds: float) -> None:
        self._later[pair] = self._life.clock.monotonic() + seconds

    def _learn(self, pair: _Pair) -> None:
        """Have one asset learned; a failure is counted, logged, and tried again in an hour."""
        asset, bundle = pair
        words = [*self._words, asset, "--bundle", bundle, "--once", "--gently", "--json"]
        environment = {**os.environ, PARENT: str(os.getpid())}
        with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as complaint:
            process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=complaint,
                start_new_session=True,
            )
            if self._attend(process):
                self._tell(pair, process.returncode, told, complaint)

    def _attend(self, process: "subprocess.Popen[bytes]") -> bool:
        """Wait until a learner is done; False where the end came first and it was ended too."""
        until = self._life.clock.monotonic() + _LONGEST_SECONDS
        while process.poll() is None:
            self._life.beat()
            if self._life.stop.wait(_BEAT_SECONDS):
                process.kill()  # it writes one transaction, at its end, or nothing
                process.wait()
                return False
            if self._life.clock.monotonic() > until:
                process.kill()
                process.wait()
        return True

    def _tell(self, pair: _Pair, code: int, told: IO[bytes], complaint: IO[bytes]) -> None:
        asset, bundle = pair
        outcome = _OUTCOMES.get(code, "failed")
        self._life.metrics.profiles_learned_total.labels(outcome=outcome).inc()
        if outcome == "learned":
            made = json.loads(_last_line(told) or "{}")
            self._life.log.info(
                "profile_learned",
                asset=asset,
                profile=made.get("profile"),
                normal_hours=made.get("normal_hours"),
                references=made.get("references"),
            )
            return
        self._put_off(pair, 0.0 if outcome == "busy" else _AGAIN_SECONDS)
        log = self._life.log.warning if outcome == "failed" else self._life.log.info
        why = _last_line(complaint)
        log("profile_not_learned", asset=asset, bundle=bundle, exit=code, outcome=outcome, why=why)


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
