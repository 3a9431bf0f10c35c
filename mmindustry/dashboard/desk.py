"""What every page works with: the record, the archive, the words, and who is asking."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel
from sqlalchemy import Connection

from mmindustry.clock import Clock
from mmindustry.dashboard import show
from mmindustry.dashboard.forms import FormTokens
from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.dashboard.repeats import Repeats
from mmindustry.dashboard.words import LANGUAGES, Words, choose_language
from mmindustry.errors import InputError
from mmindustry.ports import Archive
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.queries.alarms import count_active
from mmindustry.store.queries.scope import Scope
from mmindustry.telemetry.health import Health
from mmindustry.web.access import LOCAL, Principal
from mmindustry.web.policy import Role
from mmindustry.web.problem import Problem
from mmindustry.web.query import check_query

THEMES = ("auto", "light", "dark")
_YEAR_SECONDS = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Desk:
    """All that a route needs, made once by `create_app`."""

    database: Database
    archive: Archive
    policy: DashboardPolicy
    clock: Clock
    health: Health
    words: Mapping[str, Words]
    templates: Environment
    tokens: FormTokens
    repeats: Repeats


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: who asks, in which language, and what that one may see."""

    desk: Desk
    request: Request
    principal: Principal
    words: Words
    theme: str

    @property
    def scope(self) -> Scope:
        """What the one who asks may see."""
        return Scope(self.principal.scope)

    @property
    def may_answer(self) -> bool:
        """Whether the one who asks may acknowledge, shelve and label."""
        return self.principal.role is Role.OPERATOR

    def under(self, path: str) -> Scope:
        """Return the part of the scope below `path`.

        Raises:
            Problem: 404, `path` lies outside: as if it did not exist.
        """
        try:
            return self.scope.narrowed(path.strip("/"))
        except InputError as error:
            raise self.refusal(404, "no_place") from error

    def refusal(self, status: int, reason: str, *, code: str = "", **values: object) -> Problem:
        """Return a problem that programs get in English and people in their language."""
        key = f"refused.{reason}"
        english = self.desk.words["en"](key, **values)
        return Problem(status, english, code=code, key=key, values=values)

    @property
    def who(self) -> str:
        """The name of the one who asks, for a page; everyone local is not called by a name."""
        local = self.principal is LOCAL
        return self.words("person.local") if local else self.principal.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the record."""
        with told_plainly(self.desk.database), self.desk.database.read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in a transaction, committed at the end."""
        with told_plainly(self.desk.database), self.desk.database.write() as connection:
            yield connection

    def page(self, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """Return a page in the reader's language; htmx gets it without its frame."""
        bare = self.request.headers.get("hx-request") == "true"
        text = self.desk.templates.get_template(template).render(
            **values,
            layout="bare.html" if bare else "page.html",
            t=self.words,
            visit=self,
            path=self.request.url.path,
            now=self.desk.clock.now(),
            languages=LANGUAGES,
            themes=THEMES,
        )
        response = HTMLResponse(text, status)
        response.headers["Vary"] = "Accept-Language, Cookie, HX-Request"
        for name, known in (("lang", tuple(LANGUAGES)), ("theme", THEMES)):
            wish = self.request.query_params.get(name)
            if wish in known:
                response.set_cookie(
                    name,
                    wish,
                    max_age=_YEAR_SECONDS,
                    secure=self.desk.policy.secure_transport,
                    httponly=True,
                    samesite="lax",
                )
        return response

    def token(self) -> str:
        """Return a token for a form on this page."""
        return self.desk.tokens.make(self.principal.name, self.desk.clock.now())

    def active_alarms(self) -> Mapping[str, int]:
        """Return priority -> number of active alarms, for the header."""
        with self.read() as connection:
            return count_active(connection, self.scope)

    def is_repeat(self, key: str, body: BaseModel) -> bool:
        """Return whether `body` was done under this `Idempotency-Key` before.

        Raises:
            Problem: 422, the key was used for something else.
        """
        known = self.desk.repeats.known(self.principal.name, key, body)
        if known is None:
            raise self.refusal(422, "key_reused", code="key_reused")
        return known

    def admit(self, token: str) -> None:
        """Let a change through.

        Raises:
            Problem: 403, a viewer asks, or the form's token is missing, foreign or old.
        """
        if not self.may_answer:
            raise self.refusal(403, "viewer")
        fits = self.desk.tokens.fits(token, self.principal.name, self.desk.clock.now())
        if not (self.principal.bearer or fits):
            raise self.refusal(403, "old_form")


def make_templates() -> Environment:
    """Return the environment of the pages: everything escaped, nothing undefined tolerated."""
    environment = Environment(
        loader=FileSystemLoader(str(files("mmindustry.dashboard") / "templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., object]] = {
        "visible": show.visible,
        "breakable": show.breakable,
        "plain": show.plain,
        "coded": show.coded,
        "stamp": show.stamp,
        "clock_time": show.clock_time,
        "percent": show.percent,
        "duration": show.duration,
        "number": show.number,
        "surprise": show.surprise,
        "tojson_plain": show.json_text,
    }
    environment.filters.update(filters)
    return environment


def visit(request: Request) -> Visit:
    """Return the visit of a request; routes depend on it."""
    desk: Desk = request.app.state.desk
    language = choose_language(
        request.query_params.get("lang", ""),
        request.cookies.get("lang", ""),
        request.headers.get("accept-language", ""),
        desk.policy.language,
    )
    wishes = (request.query_params.get("theme"), request.cookies.get("theme"))
    theme = next((wish for wish in wishes if wish in THEMES), THEMES[0])
    principal: Principal = request.state.principal
    return Visit(desk, request, principal, desk.words[language], str(theme))


def check_visit(request: Request) -> None:
    """Refuse a query that its page does not understand; every route of the dashboard asks."""
    check_query(request, {"lang": tuple(LANGUAGES), "theme": THEMES})


IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", max_length=200)]
"""The argument type of a route that does nothing twice under one key."""

Visitor = Annotated[Visit, Depends(visit)]
"""The argument type of a route that wants its visit."""
