"""`mmindustry dlq ...`."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.options import AsJson, ConfigFile, DryRun, Yes
from mmindustry.cli.topics import described, plain
from mmindustry.errors import InputError

if TYPE_CHECKING:
    from mmindustry.stream.deadletter import Filed
    from mmindustry.stream.policy import StreamPolicy

app = typer.Typer(help="Dead letters: messages that could not be used.")
Topic = Annotated[
    str | None, typer.Option("--topic", help="Only of this input topic. Default: of all.")
]
Reason = Annotated[str | None, typer.Option("--reason", help="Only those of this reason.")]


def _letters(policy: "StreamPolicy", topic: str | None, reason: str | None) -> "list[Filed]":
    from mmindustry.stream.deadletter import read_letters
    from mmindustry.stream.entry import open_admin

    admin = open_admin(policy)
    try:
        topics = policy.topics.inputs if topic is None else (topic,)
        found = read_letters(admin, topics)
        return [letter for letter in found if reason is None or letter.reason == reason]
    finally:
        admin.close()


def _row(letter: "Filed") -> dict[str, object]:
    return {
        "at": "/".join(map(str, letter.at)),
        "home": "/".join(map(str, letter.home)),
        "reason": letter.reason,
        "stage": letter.stage,
        "error": plain(letter.error.encode()),
        "timestamp": letter.timestamp,
        "attempts": letter.attempts,
        "key": None if letter.message.key is None else plain(letter.message.key),
    }


@app.command("list")
def list_letters(
    topic: Topic = None,
    reason: Reason = None,
    *,
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print every dead letter, one a line, and how many of each reason.

    Example: mmindustry dlq list --topic mm.frames --reason image_corrupt
    """
    letters = _letters(read_settings(file).settings.stream, topic, reason)
    for letter in letters:
        row = _row(letter)
        if as_json:
            print(json.dumps(row, ensure_ascii=False))
        else:
            print(f"{row['at']}  {row['reason']:22} {row['key']}  {row['error']}")
    counts = Counter(letter.reason for letter in letters)
    told = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    print(f"{len(letters)} dead letters: {told or 'none'}", file=sys.stderr)


@app.command()
def show(
    at: Annotated[str, typer.Argument(help="Where it lies, as `dlq list` prints it.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the value's bytes here.")
    ] = None,
    file: ConfigFile = None,
) -> None:
    """Print all there is of one dead letter as JSON; optionally save its bytes.

    Example: mmindustry dlq show mm.frames.dlq/2/17 -o bad.jpg
    """
    from mmindustry.domain import Position
    from mmindustry.stream.deadletter import find_letter
    from mmindustry.stream.entry import open_admin

    parts = at.rsplit("/", 2)
    if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):  # noqa: PLR2004 - t/p/o
        raise InputError(f"expected topic/partition/offset such as mm.frames.dlq/2/17, got {at!r}")
    admin = open_admin(read_settings(file).settings.stream)
    try:
        letter = find_letter(admin, Position(parts[0], int(parts[1]), int(parts[2])))
    finally:
        admin.close()
    print(json.dumps({**_row(letter), "message": described(letter.message)}, ensure_ascii=False))
    if output is not None:
        output.write_bytes(letter.message.value or b"")


@app.command()
def replay(
    topic: Topic = None,
    reason: Reason = None,
    *,
    yes: Yes = False,
    dry_run: DryRun = False,
    file: ConfigFile = None,
) -> None:
    """Send dead letters home, each to the partition of its key; what was sent twice counts once.

    Example: mmindustry dlq replay --reason wrong_partition --yes
    """
    from mmindustry.clock import SystemClock
    from mmindustry.stream.deadletter import replay as send_home
    from mmindustry.stream.entry import open_publisher

    policy = read_settings(file).settings.stream
    letters = _letters(policy, topic, reason)
    if not (yes or dry_run):
        raise InputError(f"{len(letters)} letters would go home: say --yes, or --dry-run to look")
    if dry_run:
        for letter in letters:
            print(json.dumps(_row(letter), ensure_ascii=False))
        return
    publisher = open_publisher(policy, clock=SystemClock())
    try:
        sent = send_home(publisher, letters)
    finally:
        publisher.close()
    print(sent)
    print(f"sent {sent} letters home", file=sys.stderr)
