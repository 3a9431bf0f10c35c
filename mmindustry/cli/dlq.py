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
from mmindustry.stream.policy import DEAD_LETTER_SUFFIX

if TYPE_CHECKING:
    from mmindustry.stream.deadletter import Filed
    from mmindustry.stream.policy import StreamPolicy
    from mmindustry.stream.replay import Case

app = typer.Typer(help="Dead letters: messages that could not be used.")
Topic = Annotated[
    str | None, typer.Option("--topic", help="Only of this input topic. Default: of all.")
]
Reason = Annotated[str | None, typer.Option("--reason", help="Only those of this reason.")]


def _cases(policy: "StreamPolicy", topic: str | None, reason: str | None) -> "list[Case]":
    """Return the refused messages whose newest letter says `reason`."""
    from mmindustry.stream.deadletter import read_letters
    from mmindustry.stream.entry import open_admin
    from mmindustry.stream.replay import cases_of

    admin = open_admin(policy)
    try:
        topics = policy.topics.inputs if topic is None else (topic,)
        if topic is None and not admin.layouts([name + DEAD_LETTER_SUFFIX for name in topics]):
            return []  # nothing was ever sent here
        cases = cases_of(read_letters(admin, topics))
    finally:
        admin.close()
    return [case for case in cases if reason is None or case.letter.reason == reason]


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


def _case_row(case: "Case") -> dict[str, object]:
    origin = "/".join(map(str, case.origin))
    return {**_row(case.letter), "letters": case.letters, "origin": origin}


@app.command("list")
def list_letters(
    topic: Topic = None,
    reason: Reason = None,
    *,
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print every refused message, one a line, and how many of each reason.

    A message that was sent home and refused again is one: its newest letter is printed.

    Example: mmindustry dlq list --topic mm.frames --reason image_corrupt
    """
    cases = _cases(read_settings(file).settings.stream, topic, reason)
    for case in cases:
        row = _case_row(case)
        if as_json:
            print(json.dumps(row, ensure_ascii=False))
        else:
            again = f"  ({case.letters} letters)" if case.letters > 1 else ""
            print(f"{row['at']}  {row['reason']:22} {row['key']}  {row['error']}{again}")
    counts = Counter(case.letter.reason for case in cases)
    told = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    letters = sum(case.letters for case in cases)
    none = "no dead letters yet" if reason is None else f"no dead letters of reason {reason}"
    found = f"{letters} dead letters of {len(cases)} messages: {told}"
    print(found if cases else none, file=sys.stderr)


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
    """Send refused messages home, each once, to the partition of its key.

    A message that was refused again is sent once, not once a letter; one that was taken
    meanwhile counts as `duplicate`. The letters stay where they are.

    Example: mmindustry dlq replay --reason wrong_partition --yes
    """
    from mmindustry.clock import SystemClock
    from mmindustry.stream.entry import open_publisher
    from mmindustry.stream.replay import replay as send_home

    policy = read_settings(file).settings.stream
    cases = _cases(policy, topic, reason)
    if not (yes or dry_run):
        raise InputError(f"{len(cases)} messages would go home: say --yes, or --dry-run to look")
    if dry_run:
        for case in cases:
            print(json.dumps(_case_row(case), ensure_ascii=False))
        return
    publisher = open_publisher(policy, clock=SystemClock())
    try:
        sent = send_home(publisher, cases)
    finally:
        publisher.close()
    print(sent)
    print(f"sent {sent} messages home", file=sys.stderr)
