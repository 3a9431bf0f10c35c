"""`mmindustry topics ...`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.options import AsJson, ConfigFile, DryRun, Yes
from mmindustry.errors import InputError

if TYPE_CHECKING:
    from mmindustry.domain import Message
    from mmindustry.store.database import Database
    from mmindustry.stream.relayout import Relayout

app = typer.Typer(help="Make, list and read the topics of the stream.")
_SHOWN_BYTES = 120


@app.command()
def create(file: ConfigFile = None, dry_run: DryRun = False) -> None:
    """Make the topics that are missing: inputs, their dead letters, outputs.

    Example: mmindustry topics create -c mmindustry.yaml
    """
    from mmindustry.stream.admin import specs_of
    from mmindustry.stream.entry import open_admin

    policy = read_settings(file).settings.stream
    admin = open_admin(policy)
    try:
        specs = specs_of(policy.topics)
        there = admin.layouts([spec.name for spec in specs])
        missing = [spec.name for spec in specs if spec.name not in there]
        made = missing if dry_run else admin.create(specs)
    finally:
        admin.close()
    print("\n".join(made))
    word = "would make" if dry_run else "made"
    print(f"{word} {len(made)} topics, {len(specs) - len(made)} were there", file=sys.stderr)


@app.command("list")
def list_topics(file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print every topic: id, and for each partition where it begins and ends, and the lag.

    Example: mmindustry topics list --json
    """
    from mmindustry.stream.entry import open_admin

    policy = read_settings(file).settings.stream
    admin = open_admin(policy)
    try:
        layouts = admin.layouts()
        inputs = [name for name in policy.topics.inputs if name in layouts]
        lags = admin.lag(policy.reading.group, inputs)
    finally:
        admin.close()
    if not as_json:
        print(f"{'topic':24} {'part':>4} {'begin':>12} {'end':>12} {'lag':>10}")
    for name, layout in sorted(layouts.items()):
        for partition in range(layout.partitions):
            row = {
                "topic": name,
                "partition": partition,
                "id": layout.id,
                "begin": layout.begins[partition],
                "end": layout.ends[partition],
                "lag": lags.get((name, partition)),
            }
            if as_json:
                print(json.dumps(row))
            else:
                lag = "-" if row["lag"] is None else row["lag"]
                print(f"{name:24} {partition:4} {row['begin']:>12} {row['end']:>12} {lag:>10}")


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(help="Name of the topic.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many messages.")] = 10,
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print the newest messages of a topic over all partitions, oldest first.

    Example: mmindustry topics tail mm.logs -n 5
    """
    from mmindustry.stream.admin import tail as newest
    from mmindustry.stream.entry import open_admin

    admin = open_admin(read_settings(file).settings.stream)
    try:
        messages = newest(admin, topic, count)
    finally:
        admin.close()
    for message in messages:
        print(json.dumps(described(message), ensure_ascii=False) if as_json else line_of(message))


@app.command()
def relayout(
    file: ConfigFile = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    begin_anew: Annotated[
        bool,
        typer.Option("--begin-anew", help="Read the logs again from their beginning."),
    ] = False,
) -> None:
    """Settle `layout_changed`: another partition count, or topics that were made anew.

    Example: mmindustry topics relayout --dry-run
    """
    from mmindustry.cli.db import database_of
    from mmindustry.store.layout import read_progress
    from mmindustry.stream.entry import open_admin
    from mmindustry.stream.relayout import Remedy, plan_relayout

    settings = read_settings(file).settings
    admin = open_admin(settings.stream)
    try:
        layouts = admin.layouts(settings.stream.topics.inputs)
    finally:
        admin.close()
    database = database_of(settings)
    try:
        plan = plan_relayout(read_progress(database), layouts, settings.stream.topics.inputs)
        print("\n".join(plan.words) or "nothing has changed")
        if dry_run or plan.remedy is Remedy.NONE:
            return
        if not yes:
            raise InputError("nothing was done: say --yes to do it, --dry-run only to look")
        _settle(database, plan, begin_anew=begin_anew)
    finally:
        database.close()


def _settle(database: "Database", plan: "Relayout", *, begin_anew: bool) -> None:
    from mmindustry.clock import SystemClock
    from mmindustry.store.layout import Layout, relayout_count, relayout_log
    from mmindustry.stream.relayout import Remedy

    found = Layout(partitions=plan.partitions, topic_ids=plan.topic_ids)
    now = SystemClock().now()
    if plan.remedy is Remedy.LOG or begin_anew:
        print(f"{relayout_log(database, found, now)} messages in flight given up", file=sys.stderr)
        return
    if plan.lag:
        raise InputError(
            f"{plan.lag} messages are not read yet, and their assets would move: take the new "
            "partitions back and let the worker read them, or say --begin-anew to read the logs "
            "again from their beginning (what the record has counts as duplicate)"
        )
    print(f"{relayout_count(database, found, now)} assets moved", file=sys.stderr)


def described(message: "Message") -> dict[str, object]:
    """Return a message as plain JSON; the value by its size and its beginning."""
    value = message.value
    return {
        "topic": message.position.topic,
        "partition": message.position.partition,
        "offset": message.position.offset,
        "append_time": message.append_time.isoformat(),
        "key": None if message.key is None else plain(message.key),
        "headers": [[name, plain(content)] for name, content in message.headers],
        "value_bytes": None if value is None else len(value),
        "value_begins": None if value is None else plain(value[:_SHOWN_BYTES]),
    }


def line_of(message: "Message") -> str:
    """Return a message as one line of a terminal."""
    position = message.position
    headers = dict(message.headers)
    kind = plain(headers.get("ce_type", b"-"))
    key = "-" if message.key is None else plain(message.key)
    size = "no value" if message.value is None else f"{len(message.value)} B"
    at = message.append_time.isoformat(timespec="milliseconds")
    return f"{at} {position.topic}/{position.partition}/{position.offset} {key} {kind} {size}"


def plain(raw: bytes) -> str:
    r"""Return bytes as text that can't drive a terminal: control characters as escapes.

    >>> print(plain(bytes([27]) + b"[31mred"))
    \x1b[31mred
    """
    text = raw.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
