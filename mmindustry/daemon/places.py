"""Where this machine's files go: made where they may be, refused in one line where they can't."""

from pathlib import Path

from mmindustry.config.settings import Settings
from mmindustry.errors import NotWritable
from mmindustry.store.database import Database, open_database

_SQLITE = "sqlite:///"


def make_data_dir(settings: Settings) -> None:
    """Make `run.data_dir` where it is missing, and see that it takes files.

    Raises:
        NotWritable: It does not; the message names it and the setting (exit 73).
    """
    folder = settings.run.data_dir.absolute()
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise NotWritable(
            f"run.data_dir {folder} can't be written ({error.strerror}); make it a folder that "
            "this user may write, or set run.data_dir to another"
        ) from error


def open_record(settings: Settings) -> Database:
    """Return the database of the settings; the data folder is made where its file lies in there.

    Raises:
        NotWritable: The file's folder is missing or can't be written (exit 73).
    """
    if record_is_in_data_dir(settings):
        make_data_dir(settings)
    return open_database(settings.store)


def record_is_in_data_dir(settings: Settings) -> bool:
    """Return whether the record is a SQLite file directly in `run.data_dir`."""
    url = settings.store.url
    if not url.startswith(_SQLITE):
        return False
    folder = Path(url.removeprefix(_SQLITE)).absolute().parent
    return folder == settings.run.data_dir.absolute()
