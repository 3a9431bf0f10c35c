"""Old news is shown, not paged."""

from collections.abc import Mapping
from datetime import datetime

from mmindustry.notify.policy import NotifyPolicy


def is_old(body: Mapping[str, object], now: datetime, policy: NotifyPolicy) -> bool:
    """Return whether an alarm's change lies too far back, in event time, to wake anybody.

    Of a clear, its own time counts: the end of an alarm that was paged is told however long that
    stood.
    """
    at = datetime.fromisoformat(str(body["at"]))
    return (now - at).total_seconds() > policy.page_within_seconds
