"""The body of an outbox row -> an alert of Alertmanager's API v2: labels, annotations, times."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

from mmindustry.domain import Change
from mmindustry.notify.policy import NotifyPolicy

Body = Mapping[str, object]
Fingerprint = tuple[tuple[str, str], ...]

_SEVERITIES = {"high": "critical", "medium": "warning", "low": "info"}
_LABEL_CHARACTERS = re.compile(r"[^a-zA-Z0-9_]")
_LONGEST_VALUE = 256
_PATH = ("site", "area", "line", "asset")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert by its identity. `cleared` None = active. `fires_until`: on the notifier's wall
    clock, before which it is not told to end; `told`: some instance has taken it."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    link: str
    raised: datetime
    cleared: datetime | None = None
    fires_until: datetime | None = None
    told: bool = False

    @property
    def fingerprint(self) -> Fingerprint:
        """Its labels, sorted: what Alertmanager knows it by."""
        return tuple(sorted(self.labels.items()))

    def document(self, ends: datetime) -> dict[str, object]:
        """Return the JSON of the API; an alert never ends before it starts."""
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "generatorURL": self.link,
            "startsAt": min(self.raised, ends).isoformat(),
            "endsAt": ends.isoformat(),
        }

    def after(self, known: "Alert | None") -> "Alert":
        """Return what stands once this is learnt: a raise told again undoes no clear, and what is
        older than the known one changes nothing."""
        if known is None or self.raised > known.raised:
            return self
        if self.raised < known.raised or (known.cleared and not self.cleared):
            return known
        return replace(self, fires_until=known.fires_until, told=known.told)


def alert_of(body: Body, policy: NotifyPolicy) -> Alert:
    """Return the alert of an alarm's change.

    Labels are identity and nothing else: a label that changed would be another alert. What may
    change (probability, window, bundle) is annotation.
    """
    at, cleared = _time(body, "at"), str(body["change"]) == Change.CLEARED.value
    return Alert(
        labels=labels_of(body),
        annotations=_annotations(body, policy),
        link=alarm_link(body, policy),
        raised=_time(body, "raised_at"),
        cleared=at if cleared else None,
    )


def labels_of(body: Body) -> dict[str, str]:
    """Return the identity of an alarm as labels; empty ones are left out."""
    fault = str(body["fault"])
    labels = {
        "alertname": camel(fault),
        "severity": _SEVERITIES.get(str(body["priority"]), "info"),
        **dict(zip(_PATH, str(body["asset"]).split("/"), strict=False)),
        "fault_code": fault,
        "sensor": str(body.get("source") or ""),
        "late": "true" if body.get("late") else "",
        "source": "mmindustry",
    }
    return {label_name(name): clean(value) for name, value in labels.items() if clean(value)}


def label_name(text: str) -> str:
    """Return a name that every Alertmanager takes: `[a-zA-Z_][a-zA-Z0-9_]*`.

    >>> label_name("7-bad.name")
    '_7_bad_name'
    """
    name = _LABEL_CHARACTERS.sub("_", text)
    return name if name and not name[0].isdigit() else f"_{name}"


def camel(code: str) -> str:
    """Return a fault code in CamelCase, as alert names are written.

    >>> camel("bearing_outer")
    'BearingOuter'
    """
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^a-zA-Z0-9]+", code))


def clean(value: str) -> str:
    """Return text without control characters, cut to a length that fits a label."""
    return "".join(c if c.isprintable() else "\ufffd" for c in value[:_LONGEST_VALUE]).strip()


def alarm_link(body: Body, policy: NotifyPolicy) -> str:
    """Return the absolute address of the alarm's page; Alertmanager answers 422 to any other."""
    return f"{policy.external_url.rstrip('/')}/alarms/view?id={quote(str(body['alarm']), safe='')}"


def _annotations(body: Body, policy: NotifyPolicy) -> dict[str, str]:
    fault, asset = str(body["fault"]), str(body["asset"]) or "the stream"
    source = f" ({clean(str(body['source']))})" if body.get("source") else ""
    score = float(str(body["score"]))
    told = {
        "summary": f"{fault.replace('_', ' ')} on {asset}{source}",
        "description": _description(body, score),
        "probability": f"{score:.3f}",
        "prediction_id": str(body.get("window_id") or body["window"]),
        "bundle": str(body.get("bundle") or ""),
        "dashboard_url": alarm_link(body, policy),
        "runbook_url": f"{policy.runbook_url.rstrip('/')}/{fault}" if policy.runbook_url else "",
    }
    return {name: value for name, value in told.items() if value}


def _description(body: Body, score: float) -> str:
    raised = _time(body, "raised_at").isoformat(timespec="seconds")
    evidence = body.get("evidence")
    risk = evidence.get("risk") if isinstance(evidence, Mapping) else None
    risky = ""
    if isinstance(risk, Mapping) and "24h" in risk:
        risky = f", P(failure within 24 h) {float(risk['24h']):.0%}"
    found = ", found in late evidence" if body.get("late") else ""
    return f"Since {raised} (event time), score {score:.0%}{risky}{found}."


def _time(body: Body, name: str) -> datetime:
    return datetime.fromisoformat(str(body[name]))
