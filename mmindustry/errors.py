"""Every error raised on purpose, each with a bounded code that may be a metric label."""


class MmindustryError(Exception):
    """The root of every error raised on purpose."""

    code = "error"


class DecodeError(MmindustryError):
    """A message can't be read; it goes to the dead-letter topic under its `reason`."""

    code = "decode"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class FeatureError(MmindustryError):
    """An item or a window can't be turned into features; `reason` is a bounded code."""

    code = "feature"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Fenced(MmindustryError):  # noqa: N818 - a state of this worker, the name of the design
    """Another worker has claimed the partition; nothing was written, memory must be forgotten."""

    code = "fenced"


class DependencyDown(MmindustryError):  # noqa: N818 - what is so, not a mistake
    """A needed service is out of reach; the port tries again until told to stop."""

    code = "dependency_down"


class LayoutChanged(MmindustryError):  # noqa: N818 - what is so, not a mistake
    """A topic has another id or count, or ends too early; `topics relayout` settles it."""

    code = "layout_changed"


class Busy(MmindustryError):  # noqa: N818 - what is so, not a mistake
    """Another process holds what this one needs alone; try later (exit 75)."""

    code = "busy"


class ConfigError(MmindustryError):
    """The configuration has mistakes; the message lists them all, one a line (exit 78)."""

    code = "config"


class InputError(MmindustryError):
    """A file or value a person gave can't be used; the message says what and where (exit 65)."""

    code = "input"


class Interrupted(MmindustryError):  # noqa: N818 - what is so, not a mistake
    """A training was asked to end; the message says where it stopped and how it goes on."""

    code = "interrupted"


class BundleError(MmindustryError):
    """A bundle is damaged, of another version or does not fit; the old one stays."""

    code = "bundle"


class MissingExtra(MmindustryError):  # noqa: N818 - what is so, not a mistake
    """The command needs an extra that is not installed; the message says which (exit 69)."""

    code = "missing_extra"


class StoreError(MmindustryError):
    """The database or the archive can't do what was asked; the message says which."""

    code = "store"


class NotWritable(StoreError):  # noqa: N818 - what is so, not a mistake
    """A file or folder is missing or can't be written; the message says which (exit 73)."""

    code = "not_writable"


class ChildFailed(MmindustryError):  # noqa: N818 - what is so, not a mistake
    """A process of the tree can't be kept alive; the tree ends with that process's exit code."""

    code = "child_failed"
    exit_code = 69

    def __init__(self, child: str, exit_code: int) -> None:
        super().__init__(f"{child} can't be kept alive; its last lines above say why")
        self.exit_code = exit_code


class PublishRefused(MmindustryError):  # noqa: N818 - an answer, not a mistake of ours
    """The stream refuses a message for good (too large, for one); a further try is useless."""

    code = "publish_refused"


class DeliveryRefused(MmindustryError):  # noqa: N818 - an answer, not a mistake of ours
    """A destination of notifications is not allowed; trying again is useless."""

    code = "delivery_refused"


class DeliveryFailed(MmindustryError):  # noqa: N818 - what is so, not a mistake
    """A destination of notifications was out of reach or answered badly; try again later."""

    code = "delivery_failed"
