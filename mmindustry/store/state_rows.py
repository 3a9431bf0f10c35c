"""The state of the line -> rows. Pure."""

from datetime import datetime

from mmindustry.domain import AssemblyState, Progress
from mmindustry.store.rows import Row, instant, picture_row


def progress_row(progress: Progress) -> Row:
    """Return what a step writes into `partition_progress`, less partition, epoch and step."""
    return {
        "arrival": progress.arrival,
        "topics": {
            topic: {
                "topic_id": at.topic_id,
                "first": at.first,
                "read_through": at.read_through,
                "needed_from": at.needed_from,
                "skipped": at.skipped,
            }
            for topic, at in progress.topics.items()
        },
        "received": progress.received,
        "in_flight": progress.in_flight,
        "dropped": dict(progress.dropped),
    }


def _instant_or_none(time: datetime | None) -> str | None:
    return None if time is None else instant(time)


def asset_state_row(state: AssemblyState) -> Row:
    """Return the row of what windowing remembers of an asset."""
    return {
        "asset": state.asset,
        "policy": state.policy,
        "partition": state.partition,
        "frontier": state.frontier,
        "watermark": state.watermark,
        "sources": {
            source: {
                "modality": known.modality.value,
                "time": _instant_or_none(known.time),
                "heard": _instant_or_none(known.heard),
                "set_aside": known.set_aside,
                "quiet_since": _instant_or_none(known.quiet_since),
                "expected": _instant_or_none(known.expected),
                "began": _instant_or_none(known.began),
                "picture": known.picture and picture_row(known.picture),
            }
            for source, known in state.sources.items()
        },
        "text_windows": [
            [instant(start), instant(opened)] for start, opened in state.text_windows.items()
        ],
    }
