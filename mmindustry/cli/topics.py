"""`mmindustry topics ...`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.options import AsJson, ConfigFile, DryRun

if TYPE_CHECKING:
    from mmindustry.domain import Message

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
