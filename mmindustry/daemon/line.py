"""The line of one worker, wired from the settings: every port opened, every verb bound."""

import gc
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

from mmindustry.alerting.rules import Rules
from mmindustry.codec.decode import decode
from mmindustry.codec.restore import restore_event
from mmindustry.config.settings import Settings
from mmindustry.daemon.awaiting import await_record
from mmindustry.daemon.building import Builder, Kitchen
from mmindustry.daemon.failpoint import failpoint
from mmindustry.daemon.judging import TOGETHER, MarkedPredictor
from mmindustry.daemon.life import Life
from mmindustry.daemon.marker import MappedMarker, open_marker
from mmindustry.daemon.observing import StepObserver, TimedRecorder, counted
from mmindustry.daemon.registry import RegistryWatch, read_registry
from mmindustry.domain import Sensor
from mmindustry.errors import Fenced
from mmindustry.features.part import Guard
from mmindustry.fusion.allowance import Allowance
from mmindustry.fusion.bundle import bundle_folder, check_window_length, read_bundle
from mmindustry.fusion.predictor import FusionPredictor, open_predictor
from mmindustry.pipeline import Outside, Pipeline, Verbs
from mmindustry.revision import Reviser, RevisionVerbs
from mmindustry.store.archive import open_archive
from mmindustry.store.database import Database, open_database
from mmindustry.store.recorder import Line, SqlRecorder
from mmindustry.store.registry import list_bundles, named_shards
from mmindustry.store.retry import Patience
from mmindustry.stream.deadletter import DeadLetterTopics
from mmindustry.stream.entry import OpenSource, open_publisher, open_source
from mmindustry.windowing.assembler import Assembler


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLine:
    """A worker's line and what its loop looks after."""

    pipeline: Pipeline
    source: OpenSource
    dead_letters: DeadLetterTopics
    assembler: Assembler
    registry: RegistryWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mind:
    """The bundles that are loaded, what their features are made with, and what alarms on them."""

    predictor: FusionPredictor
    kitchens: dict[str, Kitchen]
    rules: Rules


def open_line(life: Life, stack: ExitStack) -> OpenLine:
    """Return the line, everything it needs opened; `stack` closes it again.

    Raises:
        Busy: Another worker holds the SQLite database.
        ConfigError: The window length is none the bundle was trained for, or the device is absent.
        StoreError: The database has another layout.
        Fenced: The end was asked for while a dependency was awaited.
    """
    settings = life.settings
    database = _open_record(life, stack)
    source = open_source(
        settings.stream, clock=life.clock, metrics=life.metrics, is_stopping=life.stop.wanted
    )
    stack.callback(source.close)
    patience = _patience(life, source)
    if not await_record(life, database):
        raise Fenced("asked to stop")
    mind = _open_mind(life, database)
    marker = open_marker(settings.run.data_dir)
    stack.callback(marker.close)
    publisher = open_publisher(settings.stream, clock=life.clock)
    stack.callback(publisher.close)
    dead_letters = DeadLetterTopics(
        publisher,
        keep=partial(_keep, life, source),
        policy=settings.stream.retry,
        rng=Random(),  # noqa: S311 - jitter
        pause=life.stop.wait,
    )
    outside = Outside(
        source=source,
        recorder=_recorder(life, database, patience, mind.predictor.bundle),
        archive=open_archive(
            settings.archive,
            clock=life.clock,
            named=lambda ids: patience.persist(lambda: named_shards(database)(ids)),
        ),
        predictor=_marked(life, mind, marker),
        dead_letters=dead_letters,
    )
    assembler = Assembler(settings.windowing)
    verbs = _verbs(life, mind, marker, assembler=assembler, outside=outside)
    registry = RegistryWatch(
        partial(read_registry, database, patience, settings.stream.topics.partitions),
        partial(_register, assembler, mind.rules),
        clock=life.clock,
    )
    verbs = replace(verbs, decode=registry.introducing(verbs.decode))
    _settle()
    return OpenLine(
        pipeline=Pipeline(outside, verbs),
        source=source,
        dead_letters=dead_letters,
        assembler=assembler,
        registry=registry,
    )


def _register(
    assembler: Assembler, rules: Rules, partition: int, sensors: Sequence[Sensor]
) -> None:
    assembler.register(partition, sensors)
    rules.register(sensors)


def _settle() -> None:
    """Take what start-up made out of the collector's rounds: it stays, and is large."""
    gc.collect()
    gc.freeze()


def _open_record(life: Life, stack: ExitStack) -> Database:
    database = open_database(life.settings.store)
    stack.callback(database.close)
    lock = database.lock("worker")
    if lock is not None:
        stack.enter_context(lock)
    return database


def _patience(life: Life, source: OpenSource) -> Patience:
    up = life.metrics.dependency_up.labels(dependency="database")
    errors = life.metrics.sink_errors_total

    def failed(error: Exception) -> None:
        up.set(0)
        errors.labels(backend="database", error_type=type(error).__name__).inc()
        life.health.set("database", ok=False, detail=str(error).splitlines()[0])
        life.log.warning("database_awaited", error=str(error).splitlines()[0])

    def worked() -> None:
        up.set(1)
        life.health.set("database", ok=True)

    return Patience(
        keep=partial(_keep, life, source),
        wait=life.stop.wait,
        random=Random(),  # noqa: S311 - jitter
        policy=life.settings.store,
        failed=failed,
        worked=worked,
    )


def _keep(life: Life, source: OpenSource) -> None:
    """Stand still alive: the loop beats and the membership is kept."""
    life.health.beat()
    source.keep()


def _open_mind(life: Life, database: Database) -> _Mind:
    """Load the serving bundle and those that the record assigns to assets."""
    fusion = life.settings.fusion
    folder = bundle_folder(fusion.bundle)
    also = [Path(known.uri) for known in list_bundles(database) if Path(known.uri).is_dir()]
    others = [path for path in also if path.resolve() != folder.resolve()]
    predictor = open_predictor(folder, fusion, also=others, allowance=_allowance(life))
    bundles = [read_bundle(path) for path in (folder, *others)]
    kitchens = {bundle.id: Kitchen.of(bundle) for bundle in bundles}
    for bundle in bundles:
        check_window_length(bundle.manifest, life.settings.windowing.length_seconds)
        life.metrics.model_info.labels(name=bundle.id).set(1)
    thresholds = {bundle.id: bundle.manifest.thresholds for bundle in bundles}
    rules = Rules(life.settings.alerting, lambda bundle: thresholds.get(bundle, {}))
    return _Mind(predictor=predictor, kitchens=kitchens, rules=rules)


def _allowance(life: Life) -> Allowance | None:
    """Return what keeps explanations within their share of the time; None where there are none."""
    fusion = life.settings.fusion
    if not fusion.explain_share:
        return None
    counter = life.metrics.explanations_total

    def count(outcome: str, number: int) -> None:
        counter.labels(outcome=outcome).inc(number)

    return Allowance(fusion, life.clock.monotonic, count)


def _recorder(life: Life, database: Database, patience: Patience, bundle: str) -> SqlRecorder:
    line = Line(
        partitions=life.settings.stream.topics.partitions,
        window_policy=life.settings.windowing.name,
        default_bundle=bundle,
    )
    policy = replace(life.settings.record, alarm_channels=_channels(life.settings))
    timer = life.metrics.sink_write_duration_seconds
    return TimedRecorder(database, line, policy, patience=patience, clock=life.clock, timer=timer)


def _channels(settings: Settings) -> tuple[str, ...]:
    """Return the ways out that lead somewhere: no row is written for a receiver nobody has set."""
    silent = {
        name
        for name, receivers in (
            ("alertmanager", settings.notify.alertmanagers),
            ("webhook", settings.notify.webhooks),
        )
        if not receivers
    }
    return tuple(name for name in settings.record.alarm_channels if name not in silent)


def _marked(life: Life, mind: _Mind, marker: MappedMarker) -> MarkedPredictor:
    bundle = mind.predictor.bundle
    return MarkedPredictor(
        mind.predictor,
        marker=marker,
        clock=life.clock,
        took=life.metrics.inference_duration_seconds.labels(bundle=bundle).observe,
        wary=TOGETHER in marker.blamed(),
    )


def _verbs(
    life: Life, mind: _Mind, marker: MappedMarker, *, assembler: Assembler, outside: Outside
) -> Verbs:
    settings = life.settings
    reading = partial(
        decode,
        count=settings.stream.topics.partitions,
        policy=settings.codec,
        condemned=marker.condemned,
    )
    builder = Builder(
        mind.kitchens,
        default=mind.predictor.bundle,
        guard=Guard(settings.features, marker),
        progressed=life.health.beat,
    )
    observer = StepObserver(life.metrics, life.clock)
    reviser = Reviser(
        outside,
        RevisionVerbs(
            restore=partial(restore_event, policy=settings.codec),
            build=builder.build,
            judge=mind.rules,
            silent=assembler.silent,
            look_back=settings.alerting.n,
            observe=observer.observe,
        ),
    )
    return Verbs(
        decode=counted(reading, life.metrics),
        assembler=assembler,
        build=builder.build,
        rules=mind.rules,
        revise=reviser.revise,
        observe=observer.observe,
        failpoint=failpoint(os.environ),
    )
