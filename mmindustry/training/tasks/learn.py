"""Learning a task from files, and opening one that was learned."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmindustry.training.pictures import SUFFIXES as PICTURES
from mmindustry.training.tasks import sound
from mmindustry.training.tasks.material import Columns, files_by_class, lines_in
from mmindustry.training.tasks.picture import PictureTask
from mmindustry.training.tasks.saved import kind_of
from mmindustry.training.tasks.sound import SoundTask
from mmindustry.training.tasks.text import TextTask

Task = TextTask | SoundTask | PictureTask
CLASSIFIERS: dict[str, type[TextTask] | type[SoundTask] | type[PictureTask]] = {
    "text_task": TextTask,
    "sound_task": SoundTask,
    "picture_task": PictureTask,
}


@dataclass(frozen=True, slots=True)
class Learned:
    """A task, and its figures on groups left out; `left_out` among them: rows of rare classes."""

    task: Task
    figures: dict[str, Any]

    @classmethod
    def of(cls, fitted: tuple[Task, dict[str, Any]], left_out: Mapping[str, int]) -> "Learned":
        """Return what was fitted, with what was too rare to be."""
        return cls(fitted[0], fitted[1] | {"left_out": dict(left_out)})


def learn_text(path: Path, columns: Columns) -> Learned:
    """Return a classifier of a table's lines.

    Raises:
        InputError: The table can't be read, or there is too little to learn from.
    """
    found = lines_in(path, columns)
    return Learned.of(TextTask.fit(found.lines, found.labels, found.groups), found.left_out)


def learn_sound(folder: Path) -> Learned:
    """Return a classifier of the recordings in FOLDER/CLASS.

    Raises:
        InputError: A file can't be read, or there is too little to learn from.
    """
    found = files_by_class(folder, sound.SUFFIXES)
    return Learned.of(SoundTask.fit(found.classes, found.groups), found.left_out)


def learn_pictures(folder: Path, *, encoder: str) -> Learned:
    """Return a classifier of the pictures in FOLDER/CLASS.

    Raises:
        InputError: A file can't be read, or there is too little to learn from.
        MissingExtra: The encoder needs an extra that is not installed.
    """
    found = files_by_class(folder, PICTURES)
    fitted = PictureTask.fit(found.classes, found.groups, encoder=encoder)
    return Learned.of(fitted, found.left_out)


def open_task(path: Path) -> Task:
    """Return what was learned, whatever its kind.

    Raises:
        InputError: The file can't be read or holds no task.
        MissingExtra: It needs an extra that is not installed.
    """
    return CLASSIFIERS[kind_of(path, known=tuple(CLASSIFIERS))].load(path)


def tell_one(task: Task, told: str) -> dict[str, float]:
    """Return each class's probability for a line, or for the file of that name.

    Raises:
        InputError: The file can't be read.
    """
    return task.predict(told) if isinstance(task, TextTask) else task.predict(Path(told))
