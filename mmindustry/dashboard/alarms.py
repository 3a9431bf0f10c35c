"""One alarm: its evidence, its trail, and the operator's answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Header, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from mmindustry.alerting.lifecycle import Act
from mmindustry.dashboard.desk import IdempotencyKey, Visit, Visitor
from mmindustry.dashboard.evidence import tell_evidence
from mmindustry.dashboard.forms import Identity, Said
from mmindustry.dashboard.show import local
from mmindustry.dashboard.shown import AlarmView, show_alarm
from mmindustry.store.operators import Answer, ChangedMeanwhile, answer_alarm
from mmindustry.store.queries.alarms import AlarmDetail, TransitionRow, read_alarm
from mmindustry.store.queries.plant import read_names

router = APIRouter()

Step = tuple[datetime, str, str, str]
AlarmId = Annotated[str, Query(max_length=400)]
_MOST_MINUTES = 7 * 24 * 60
_INTEGERS = 1 << 63


@dataclass(frozen=True, slots=True)
class AlarmDocument:
    """An alarm with its evidence and trail, for programs. `ETag` is its version."""

    alarm: AlarmView
    evidence: Mapping[str, object] | None
    transitions: tuple[TransitionRow, ...]


class AnswerForm(BaseModel):
    """An answer as it is sent.

    `version` = the one that was seen, `minutes` = length of a shelving, `token` = of the page.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Identity
    action: Act
    version: int = Field(default=0, ge=0, lt=_INTEGERS)
    minutes: int = Field(default=60, ge=1, le=_MOST_MINUTES)
    comment: Said = ""
    token: str = Field(default="", max_length=200)


def _find(visit: Visit, alarm_id: str) -> AlarmDetail:
    with visit.read() as connection:
        detail = read_alarm(connection, visit.scope, alarm_id)
    if detail is None:
        raise visit.refusal(404, "no_alarm")
    return detail


@router.get("/alarms/view", response_class=HTMLResponse, include_in_schema=False)
def alarm_page(visit: Visitor, id: AlarmId) -> HTMLResponse:  # noqa: A002 - the name in the address
    """Return one alarm with its evidence, its trail and what may be answered."""
    detail = _find(visit, id)
    with visit.read() as connection:
        names = read_names(connection, visit.scope, of_assets=[detail.alarm.asset])
    alarm = show_alarm(detail.alarm, visit.desk.clock.now())
    zone = names.zone(alarm.asset)
    return visit.page(
        "alarm.html",
        alarm=alarm,
        told=tell_evidence(detail.evidence or {}, visit.words, alarm=alarm, zone=zone),
        trail=_trail(visit, detail, zone),
        names=names,
    )


@router.get("/api/v1/alarm")
def read_one_alarm(visit: Visitor, id: AlarmId, response: Response) -> AlarmDocument:  # noqa: A002 - as above
    """Return one alarm with its evidence and trail; send its ETag back in `If-Match`."""
    detail = _find(visit, id)
    response.headers["ETag"] = f'"{detail.alarm.version}"'
    view = show_alarm(detail.alarm, visit.desk.clock.now())
    return AlarmDocument(view, detail.evidence, detail.transitions)


def _trail(visit: Visit, detail: AlarmDetail, zone: str) -> list[Step]:
    """Return both trails as one: (when, who, what, text); the worker's steps at event time."""
    words = visit.words
    steps: list[Step] = [
        (step.at, "", words.code("change", step.change), "") for step in detail.transitions
    ]
    for action in detail.alarm.actions:
        until = f" – {local(action.until, zone, seconds=False)}" if action.until else ""
        what = words.code("action", action.action) + until
        steps.append((action.at, action.author, what, action.comment))
    return sorted(steps, key=lambda step: step[0])


@router.post("/alarms/answer", status_code=303, response_class=RedirectResponse)
def answer_page(visit: Visitor, form: Annotated[AnswerForm, Form()]) -> RedirectResponse:
    """Write an operator's answer from the alarm's page, and show the page again."""
    visit.admit(form.token)
    _answer(visit, form, form.version)
    return RedirectResponse(f"/alarms/view?id={quote(form.id, safe='')}", 303)


@router.post("/api/v1/alarm/answer")
def answer_program(
    visit: Visitor,
    form: AnswerForm,
    *,
    if_match: Annotated[str, Header(max_length=40)] = "",
    x_form_token: Annotated[str, Header(max_length=200)] = "",
    key: IdempotencyKey = "",
) -> AlarmDocument:
    """Write an operator's answer and return the alarm as it then is.

    `If-Match` (or `version`) names the version that was seen; where another answer came first the
    reply is 412 and names its author. The same answer sent twice is written once; sent again
    under its `Idempotency-Key` it is written once even where others answered meanwhile.
    """
    visit.admit(x_form_token or form.token)
    seen = if_match.strip().removeprefix("W/").strip('"')
    if seen and not (seen.isdecimal() and int(seen) < _INTEGERS):
        raise visit.refusal(412, "if_match")
    if not visit.is_repeat(key, form):
        _answer(visit, form, int(seen) if seen else form.version)
        visit.desk.repeats.note(visit.principal.name, key, form)
    detail = _find(visit, form.id)
    view = show_alarm(detail.alarm, visit.desk.clock.now())
    return AlarmDocument(view, detail.evidence, detail.transitions)


def _answer(visit: Visit, form: AnswerForm, version: int) -> None:
    now = visit.desk.clock.now()
    if form.action is Act.COMMENT and not form.comment.strip():
        raise visit.refusal(422, "comment_empty")
    until = now + timedelta(minutes=form.minutes) if form.action is Act.SHELVE else None
    answer = Answer(
        alarm_id=form.id,
        act=form.action,
        author=visit.principal.name,
        at=now,
        version=version,
        until=until,
        comment=form.comment,
    )
    try:
        with visit.write() as connection:
            written = answer_alarm(connection, visit.scope, answer)
    except ChangedMeanwhile as error:
        raise visit.refusal(412, "changed_meanwhile", winner=error.winner) from error
    if written is None:
        raise visit.refusal(404, "no_alarm")
