"""The window page: what was seen, heard and written, what was said of it, and why it closed."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Header
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from mmindustry.dashboard.desk import IdempotencyKey, Visit, Visitor
from mmindustry.dashboard.forms import Said
from mmindustry.dashboard.shown import show_alarm
from mmindustry.dashboard.why import show_why
from mmindustry.dashboard.words import Words
from mmindustry.domain import Label, WindowKey
from mmindustry.store.operators import write_label
from mmindustry.store.queries.alarms import window_alarms
from mmindustry.store.queries.detail import WindowDetail, read_window
from mmindustry.store.queries.models import LabelRow, list_labels
from mmindustry.store.queries.plant import read_asset, read_names
from mmindustry.store.queries.scope import Scope
from mmindustry.store.queries.surroundings import window_entries, window_late, window_states
from mmindustry.store.queries.windows import neighbours

router = APIRouter()

HEALTHY = "healthy"
_OTHER = "other"
_MAX_LABELS = 200


def find_window(connection: Connection, visit: Visit, window_id: str) -> WindowDetail:
    """Return a window the reader may see.

    Raises:
        Problem: 404, there is none of that id in the reader's scope.
    """
    window = read_window(connection, visit.scope, window_id)
    if window is None:
        raise visit.refusal(404, "no_window")
    return window


@router.get("/windows/{window_id}", response_class=HTMLResponse, include_in_schema=False)
def window_page(visit: Visitor, window_id: str) -> HTMLResponse:
    """Return one window in full; its media come by themselves."""
    now = visit.desk.clock.now()
    with visit.read() as connection:
        window = find_window(connection, visit, window_id)
        only = Scope(window.asset)
        before, after = neighbours(
            connection, only, WindowKey(window.asset, window.policy, window.start)
        )
        raised = window_alarms(connection, only, window_id)
        labels = list_labels(connection, only, limit=_MAX_LABELS).rows
        entries = window_entries(connection, window)
        states = window_states(connection, window)
        late = window_late(connection, window)
        names = read_names(connection, visit.scope, of_assets=[window.asset])
        known = read_asset(connection, visit.scope, window.asset)
    why = next((j.why for j in window.judgements if j.why), None)
    return visit.page(
        "window.html",
        window=window,
        judgements=window.judgements,
        before=before,
        after=after,
        alarms=[show_alarm(alarm, now) for alarm in raised],
        labels=_touching(labels, window.start, window.end),
        counted=Counter(
            item.modality.value
            for number, item in enumerate(window.evidence)
            if number not in window.dead
        ),
        faults=_faults(window, visit.words),
        entries=entries,
        states=states,
        late=late,
        names=names,
        why=show_why(why, window, entries, known.card if known else None) if why else None,
    )


def _touching(labels: tuple[LabelRow, ...], start: datetime, end: datetime) -> list[LabelRow]:
    return [label for label in labels if label.start < end and label.end >= start]


def _faults(window: WindowDetail, words: Words) -> list[str]:
    """Return the classes a label may name: those of the bundle, else all that have a word."""
    judged = next((j.faults for j in window.judgements if j.faults), {})
    known = [key.split(".", 1)[1] for key in words.texts if key.startswith("class.")]
    names = [name for name in (judged or known) if name != HEALTHY]
    return [HEALTHY, *sorted(names), _OTHER]


class LabelForm(BaseModel):
    """What a person says: a class of the window's bundle, `healthy` or `other`, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fault: str = Field(max_length=80)
    token: str = Field(default="", max_length=200)
    comment: Said = ""


@dataclass(frozen=True, slots=True)
class LabelDocument:
    """The newest label of a window, for programs."""

    window_id: str
    label: LabelRow


@router.post("/windows/{window_id}/label", status_code=303, response_class=RedirectResponse)
def label_window(
    visit: Visitor, window_id: str, form: Annotated[LabelForm, Form()]
) -> RedirectResponse:
    """Write what a person says this window truly was."""
    visit.admit(form.token)
    _label(visit, window_id, form)
    return RedirectResponse(f"/windows/{quote(window_id)}", 303)


@router.post("/api/v1/windows/{window_id}/label")
def label_program(
    visit: Visitor,
    window_id: str,
    form: LabelForm,
    *,
    x_form_token: Annotated[str, Header(max_length=200)] = "",
    key: IdempotencyKey = "",
) -> LabelDocument:
    """Write what a person says a window truly was, and return the window's newest label.

    The same label sent twice is written once; sent again under its `Idempotency-Key` it is
    written once even where others labelled meanwhile.
    """
    visit.admit(x_form_token or form.token)
    if not visit.is_repeat(key, form):
        _label(visit, window_id, form)
        visit.desk.repeats.note(visit.principal.name, key, form)
    with visit.read() as connection:
        window = find_window(connection, visit, window_id)
        rows = list_labels(connection, Scope(window.asset), limit=_MAX_LABELS).rows
    spans = (row for row in rows if (row.start, row.end) == (window.start, window.end))
    return LabelDocument(window.id, next(row for row in spans if row.alarm_id is None))


def _label(visit: Visit, window_id: str, form: LabelForm) -> None:
    with visit.write() as connection:
        window = find_window(connection, visit, window_id)
        if form.fault not in _faults(window, visit.words):
            raise visit.refusal(422, "no_class")
        said = next((j.fault for j in window.judgements if j.fault), None)
        label = Label(
            asset=window.asset,
            start=window.start,
            end=window.end,
            fault=form.fault,
            verdict="confirmed" if form.fault == said else "corrected",
            author=visit.principal.name,
            written_at=visit.desk.clock.now(),
            comment=form.comment,
        )
        write_label(connection, label)
