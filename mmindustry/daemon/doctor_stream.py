"""The doctor's checks of the stream, layer by layer."""

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmindustry.daemon.finding import Check, Finding, Patient, Verdict
from mmindustry.stream.admin import StreamAdmin, specs_of
from mmindustry.stream.entry import open_admin
from mmindustry.stream.layout import TopicLayout

_TCP_SECONDS = 3.0


def check_brokers(patient: Patient) -> Iterator[Finding]:
    """TCP first, then the rest: whoever says `it does not connect` learns at which layer."""
    policy = patient.settings.stream
    if policy.kind == "local":
        yield Finding("brokers", Verdict.SKIP, "the stream is the embedded log")
        return
    for server in policy.kafka.bootstrap_servers:
        host, _, port = server.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=_TCP_SECONDS):
                yield Finding("broker", Verdict.OK, f"{server}: TCP ok")
        except OSError as error:
            remedy = "start it, or mend stream.kafka.bootstrap_servers"
            yield Finding("broker", Verdict.FAIL, f"{server}: TCP {error}", remedy)


def check_topics(patient: Patient) -> Iterator[Finding]:
    """Topics there, counts equal, sizes as ours, lag."""
    policy = patient.settings.stream
    if policy.kind == "local" and not Path(policy.local.folder).is_dir():
        told = f"no log in {policy.local.folder} yet"
        yield Finding("topics", Verdict.WARN, told, "mmindustry topics create")
        return
    admin = open_admin(policy)
    try:
        layouts = admin.layouts([spec.name for spec in specs_of(policy.topics)])
        yield _presence(patient, layouts)
        yield from _counts(patient, layouts)
        yield from _lag(patient, admin, layouts)
    finally:
        admin.close()


def _presence(patient: Patient, layouts: Mapping[str, TopicLayout]) -> Finding:
    wanted = [spec.name for spec in specs_of(patient.settings.stream.topics)]
    missing = [name for name in wanted if name not in layouts]
    if missing:
        return Finding(
            "topics", Verdict.WARN, f"missing: {', '.join(missing)}", "mmindustry topics create"
        )
    return Finding("topics", Verdict.OK, f"{len(wanted)} there")


def _counts(patient: Patient, layouts: Mapping[str, TopicLayout]) -> Iterator[Finding]:
    topics = patient.settings.stream.topics
    counts = {name: layouts[name].partitions for name in topics.inputs if name in layouts}
    wrong = {name: count for name, count in counts.items() if count != topics.partitions}
    if wrong:
        told = ", ".join(f"{name} has {count}" for name, count in wrong.items())
        remedy = f"all inputs need stream.topics.partitions ({topics.partitions}) partitions"
        yield Finding("partitions", Verdict.FAIL, told, remedy)
    elif counts:
        yield Finding("partitions", Verdict.OK, f"{topics.partitions} in every input")


def _lag(
    patient: Patient, admin: StreamAdmin, layouts: Mapping[str, TopicLayout]
) -> Iterator[Finding]:
    policy = patient.settings.stream
    inputs = [name for name in policy.topics.inputs if name in layouts]
    if inputs:
        lag = sum(admin.lag(policy.reading.group, inputs).values())
        yield Finding("lag", Verdict.OK, f"group {policy.reading.group} has {lag} messages to go")


STREAM_CHECKS: tuple[Check, ...] = (check_brokers, check_topics)
