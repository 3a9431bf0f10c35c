"""Errors as RFC 9457 problem documents, each with a bounded code and the request's id."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from mmindustry.errors import DependencyDown, InputError, PublishRefused
from mmindustry.web.headers import security_headers

CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    412: "changed_meanwhile",
    413: "too_large",
    415: "unsupported_media_type",
    421: "wrong_host",
    422: "invalid",
    429: "too_many",
    431: "header_too_large",
    503: "unavailable",
}
"""HTTP status -> the bounded code of a problem that names none itself."""

_SHOWN = 80
"""Characters of a refused value that are told back."""


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An answer other than success, raised anywhere below a route.

    `key` names the sentence in a page's catalogue and `values` fill it; without one a page shows
    the English `detail`.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        key: str = "",
        values: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code or CODES.get(status, "error")
        self.key = key
        self.values = dict(values or {})


@dataclass(frozen=True, slots=True)
class ProblemDocument:
    """What is told: HTTP status, bounded code, and a sentence that says what to do.

    `key` and `values` are that sentence for a catalogue, where it has one.
    """

    status: int
    code: str
    detail: str
    request_id: str
    key: str = ""
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The status's standard phrase."""
        return HTTPStatus(self.status).phrase

    def body(self) -> dict[str, object]:
        """Return the members of the problem document."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": self.request_id,
        }


Page = Callable[[Request, ProblemDocument], Response]


def problem_json(document: ProblemDocument) -> JSONResponse:
    """Return the document as `application/problem+json`."""
    return JSONResponse(document.body(), document.status, media_type="application/problem+json")


def install_problems(app: FastAPI, *, page: Page | None = None) -> None:
    """Make every error of `app` a problem document, or a `page` where a browser navigates."""

    def answer(request: Request, problem: Problem) -> Response:
        document = ProblemDocument(
            problem.status,
            problem.code,
            problem.detail,
            request_id(request),
            problem.key,
            problem.values,
        )
        wants_page = "text/html" in request.headers.get("accept", "")
        return page(request, document) if page and wants_page else problem_json(document)

    def on_problem(request: Request, error: Exception) -> Response:
        return answer(request, error if isinstance(error, Problem) else Problem(500, str(error)))

    def on_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = str(error.detail) if isinstance(error, HTTPException) else ""
        return answer(request, Problem(status, detail, key=_HTTP_KEYS.get(status, "")))

    def on_invalid(request: Request, error: Exception) -> Response:
        return answer(request, _invalid(error))

    def on_bug(request: Request, _error: Exception) -> Response:
        bug = Problem(
            500,
            "a bug; the daemon's log holds the trace under this request id",
            code="bug",
            key="refused.bug",
        )
        response = answer(request, bug)
        response.headers.update(security_headers())  # outside the guard's reach
        return response

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    for kind, status in ((DependencyDown, 503), (InputError, 422), (PublishRefused, 422)):
        app.add_exception_handler(kind, _as_status(answer, status))
    app.add_exception_handler(Exception, on_bug)


_HTTP_KEYS = {404: "refused.no_page", 405: "refused.no_method"}


def _as_status(
    answer: Callable[[Request, Problem], Response], status: int
) -> Callable[[Request, Exception], Response]:
    def handler(request: Request, error: Exception) -> Response:
        return answer(request, Problem(status, str(error), code=str(getattr(error, "code", ""))))

    return handler


def _invalid(error: Exception) -> Problem:
    """Return what a request that its route can't take is told: 400 for its query, else 422."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    asked = next((item for item in found if item.get("loc", ("",))[0] == "query"), None)
    if asked is not None:
        name = str(asked["loc"][-1])
        return unreadable_value(name, asked.get("input"), str(asked.get("msg", "invalid")))
    return Problem(422, "; ".join(_sentence(item) for item in found[:8]))


def unreadable_value(name: str, value: object, why: str) -> Problem:
    """Return the refusal of one value of a query, which it names with the reason."""
    if value is None:
        return Problem(
            400,
            f"this address needs `{name}` in its query",
            key="refused.query_missing",
            values={"name": name},
        )
    told = str(value)[:_SHOWN]
    return Problem(
        400,
        f"the query's `{name}` can't be {told!r}: {why}",
        key="refused.query_value",
        values={"name": name, "value": told},
    )


def _sentence(error: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in error.get("loc", ()))
    return f"{place}: {error.get('msg', 'invalid')}"


def request_id(request: Request) -> str:
    """Return the id the guard gave this request."""
    return str(getattr(request.state, "request_id", ""))
