"""Exit codes, after sysexits.h, and the error that leads to each."""

import errno
from enum import IntEnum

from mmindustry import errors


class Exit(IntEnum):
    """What a command's end tells the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BAD_DATA = 65
    UNAVAILABLE = 69
    BUG = 70
    CANNOT_CREATE = 73
    IO = 74
    TRY_LATER = 75
    PERMISSION = 77
    CONFIG = 78
    INTERRUPTED = 130
    UNREAD = 141
    TERMINATED = 143


_OF_ERROR: tuple[tuple[type[errors.MmindustryError], Exit], ...] = (
    (errors.ConfigError, Exit.CONFIG),
    (errors.InputError, Exit.BAD_DATA),
    (errors.DecodeError, Exit.BAD_DATA),
    (errors.BundleError, Exit.BAD_DATA),
    (errors.PublishRefused, Exit.BAD_DATA),
    (errors.DependencyDown, Exit.UNAVAILABLE),
    (errors.MissingExtra, Exit.UNAVAILABLE),
    (errors.Busy, Exit.TRY_LATER),
    (errors.NotWritable, Exit.CANNOT_CREATE),
)
_PERMISSION = {errno.EACCES, errno.EPERM}
_CANNOT_CREATE = {errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR}


def exit_of(error: BaseException) -> Exit:
    """Return the exit code of an error that ended a command."""
    for kind, code in _OF_ERROR:
        if isinstance(error, kind):
            return code
    if isinstance(error, errors.ChildFailed):
        return _of_child(error.exit_code)
    if isinstance(error, OSError):
        return _of_os_error(error)
    return Exit.FAILED if isinstance(error, errors.MmindustryError) else Exit.BUG


def _of_child(code: int) -> Exit:
    """Return a child's own code where it means something; a signal or a crash is `unavailable`."""
    known = code in set(Exit) and Exit.BAD_DATA <= code <= Exit.CONFIG
    return Exit(code) if known and code != Exit.BUG else Exit.UNAVAILABLE


def _of_os_error(error: OSError) -> Exit:
    if error.errno in _PERMISSION:
        return Exit.PERMISSION
    return Exit.CANNOT_CREATE if error.errno in _CANNOT_CREATE else Exit.IO
