"""Outbox rows -> the topics of predictions and alarms, as CloudEvents 1.0 in binary mode."""

import json
from collections.abc import Sequence

from mmindustry.domain import OutboxRow, Outcome
from mmindustry.errors import DependencyDown, PublishRefused
from mmindustry.ports import Publisher

Message = tuple[bytes, bytes, Sequence[tuple[str, bytes]]]

ALARM_TYPE = "io.mmindustry.alarm.v1"
PREDICTION_TYPE = "io.mmindustry.prediction.v1"

_WHOLE_STREAM = "mmindustry"


class TopicNotifier:
    """The way out named like its topic. Delivered at least once; `ce_id` tells a repeat."""

    def __init__(self, topic: str, publisher: Publisher) -> None:
        self._topic = topic
        self._publisher = publisher

    def send(self, rows: Sequence[OutboxRow]) -> list[Outcome]:
        """Return one outcome a row: all together, or one by one where one is refused."""
        messages = [self._message(row) for row in rows]
        try:
            self._publisher.send(self._topic, messages)
        except DependencyDown as error:
            return [Outcome(row.id, sent=False, final=False, detail=str(error)) for row in rows]
        except PublishRefused as error:
            if len(rows) > 1:
                return [outcome for row in rows for outcome in self.send([row])]
            return [Outcome(row.id, sent=False, final=True, detail=str(error)) for row in rows]
        return [Outcome(row.id, sent=True, final=True, detail=self._topic) for row in rows]

    def _message(self, row: OutboxRow) -> Message:
        asset = str(row.body.get("asset") or _WHOLE_STREAM)
        time = str(row.body.get("at") or row.body.get("end") or row.created_at.isoformat())
        headers = {
            "ce_specversion": "1.0",
            "ce_id": f"{self._topic}/{row.id}",
            "ce_source": "mmindustry",
            "ce_type": ALARM_TYPE if "alarm" in row.body else PREDICTION_TYPE,
            "ce_time": time,
            "ce_subject": asset,
            "content-type": "application/json",
        }
        value = json.dumps(row.body, allow_nan=False, ensure_ascii=False).encode()
        return asset.encode(), value, tuple((name, text.encode()) for name, text in headers.items())
