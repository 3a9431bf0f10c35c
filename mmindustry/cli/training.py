"""What `mmindustry train` shows and obeys while it trains."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmindustry.errors import MissingExtra
from mmindustry.training.policy import TrainingPolicy

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mmindustry.daemon.stop import Stop
    from mmindustry.fusion.presets import Design
    from mmindustry.training.loop import Attend, Moment

_DRAIN_SECONDS = 60.0
_UNCLEAR = {
    "Unexpected keyword argument": "no such setting; `mmindustry train --list-settings` lists all",
    "Input should be a valid dictionary": "has parts; give each by its name, as in placement.image="
    "cuda:1",
}
"""What is said in place of a message that names no way out."""


class _Wish(BaseModel):
    """Settings as typed; every one by its name."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    training: TrainingPolicy = Field(default_factory=TrainingPolicy)


def policy_of(typed: Sequence[str], given: dict[str, Any]) -> TrainingPolicy:
    """Return the policy that `--set NAME=VALUE` and other options ask for.

    Raises:
        BadParameter: A name is unknown or a value is out of range; all of them are told.
    """
    wish: dict[str, Any] = {}
    for one in typed:
        name, equals, value = one.partition("=")
        if not equals:
            raise typer.BadParameter(f"{one!r}: write NAME=VALUE", param_hint="--set")
        _put(wish, name.strip(), None if value.strip() == "none" else value.strip())
    try:
        policy = _Wish.model_validate({"training": {**given, **wish}}).training
    except ValidationError as error:
        mistakes = [_mistake(one["loc"][1:], one["msg"]) for one in error.errors()]
        raise typer.BadParameter("; ".join(mistakes)) from error
    if endless := list(_endless(asdict(policy))):
        raise typer.BadParameter(f"{', '.join(endless)}: give a number", param_hint="--set")
    return policy


def _put(wish: dict[str, Any], name: str, value: str | None) -> None:
    """Put a value where a name with dots says.

    Raises:
        BadParameter: There is no name, it is of another option, or it is a setting and a group of
            settings at the same time.
    """
    if not all(name.split(".")):
        raise typer.BadParameter(f"'{name}={value}': write NAME=VALUE", param_hint="--set")
    if name == "seed":
        raise typer.BadParameter("seed: give --seed, it is the run's", param_hint="--set")
    *path, last = name.split(".")
    place = wish
    for part in path:
        inner: Any = place.setdefault(part, {})
        if not isinstance(inner, dict):
            raise typer.BadParameter(
                f"{part}: given both a value and settings of its own ({name})", param_hint="--set"
            )
        place = inner
    place[last] = value


def _mistake(place: Sequence[str | int], message: str) -> str:
    """Return what is wrong, behind the name of the setting where one is known.

    >>> _mistake(("augment", "crop"), "Input should be a valid number")
    'augment.crop: Input should be a valid number'
    >>> _mistake(("nope",), "Unexpected keyword argument")
    'nope: no such setting; `mmindustry train --list-settings` lists all'
    >>> _mistake((), "Value error, batch must be at least 2")
    'batch must be at least 2'
    """
    told = _UNCLEAR.get(message, message.removeprefix("Value error, "))
    return f"{'.'.join(map(str, place))}: {told}" if place else told


def _endless(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the names of numbers that are not finite."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _endless(value, f"{prefix}{name}.")
        elif isinstance(value, float) and not isfinite(value):
            yield f"{prefix}{name}={value}"


def training_of(preset: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training that options ask for, over what the preset says.

    Args:
        preset: Its name; empty = none.
        asked: Settings by name; an empty fusion is the preset's, or the policy's.

    Raises:
        InputError: There is no such preset.
    """
    from mmindustry.fusion.presets import preset as preset_named

    found = preset_named(preset) if preset else None
    usual = found.fusion if found else TrainingPolicy().fusion
    said = found.training if found else {}
    return {**said, **asked, "fusion": asked["fusion"] or usual}


def design_of(
    preset: str, encoders: Sequence[str], weights: Sequence[str], frozen: Sequence[str]
) -> "Design":
    """Return what the network is made of.

    Raises:
        BadParameter: An option is not written as NAME=VALUE.
    """
    from mmindustry.fusion.presets import Design

    return Design(
        preset=preset,
        encoders=_pairs(encoders, "--encoder"),
        weights=_pairs(weights, "--weights"),
        frozen=tuple(frozen),
    )


def _pairs(typed: Sequence[str], option: str) -> dict[str, str]:
    found = {}
    for one in typed:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter(f"{one!r}: write NAME=VALUE", param_hint=option)
        found[name.strip()] = value.strip()
    return found


def settings_text() -> str:
    """Return every setting of a training with its default and meaning, one a line."""
    schema = _Wish.model_json_schema()["$defs"]
    lines = []
    for kind, prefix in (("TrainingPolicy", ""), ("AugmentPolicy", "augment.")):
        for name, one in schema[kind]["properties"].items():
            if name == "augment":
                continue
            meaning = " ".join(str(one.get("description", "")).split())
            lines.append(f"{prefix}{name}={_written(one.get('default', {}))}\n    {meaning}")
    return "\n".join(lines)


def _written(value: object) -> str:
    return "none" if value is None else str(value)


@contextmanager
def attended(
    *, checkpoint: Path, tensorboard: Path | None, stop: "Stop", rank_zero: bool
) -> Iterator["Attend"]:
    """Yield who attends a training: a bar on a terminal and lines elsewhere, event files, signals
    that are obeyed from the first step on."""
    from mmindustry.training.loop import Attend

    with ExitStack() as stack:
        watch: list[Any] = []
        tell = _line if rank_zero else _silent
        if rank_zero and sys.stderr.isatty():
            bar = stack.enter_context(_bar())
            watch.append(bar)
            tell = bar.tell
        if rank_zero and tensorboard is not None:
            if find_spec("tensorboard") is None:
                raise MissingExtra(
                    "--tensorboard: needs tensorboard; install mmindustry with the extra 'tune'"
                )
            from mmindustry.training.board import Board

            board = Board(tensorboard)
            stack.callback(board.close)
            watch.append(board)
        yield Attend(tell=tell, watch=watch, checkpoint=checkpoint, stop=_Obedient(stop))


class _Obedient:
    """Takes signals over when it is first asked: what comes before ends as it always did."""

    def __init__(self, stop: "Stop") -> None:
        self._stop, self._obeys = stop, False

    def __call__(self) -> bool:
        """Return whether the end was asked for."""
        if not self._obeys:
            from mmindustry.daemon.stop import obey_signals

            obey_signals(self._stop, drain_seconds=_DRAIN_SECONDS)
            self._obeys = True
        return self._stop.wanted()


class _Bar:
    """A bar of the steps, with lines above it."""

    def __init__(self, progress: "Progress", task: "TaskID") -> None:
        self._progress, self._task = progress, task

    def __call__(self, moment: "Moment") -> None:
        """Move it."""
        self._progress.update(
            self._task,
            total=moment.epochs * moment.steps,
            completed=moment.epoch * moment.steps + moment.step,
            description=f"{moment.part} epoch {moment.epoch + 1}, loss {moment.loss:.3f}".strip(),
        )

    def tell(self, message: str) -> None:
        """Say a line above it."""
        self._progress.console.print(message, highlight=False, markup=False)


@contextmanager
def _bar() -> Iterator[_Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress, progress.add_task("training", total=None))


def _line(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _silent(message: str) -> None:
    del message
