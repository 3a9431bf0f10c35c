"""Errors as RFC 9457 problem documents, each with a bounded code and the request's id."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An answer other than success, raised anywhere below a route."""

    def __init__(self, status: int, detail: str, *, code: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code or CODES.get(status, "error")


@dataclass(frozen=True, slots=True)
class ProblemDocument:
    """What is told: HTTP status, bounded code, and a sentence that says what to do."""

    status: int
    code: str
    detail: str
    request_id: str

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

    def answer(request: Request, status: int, detail: str, code: str = "") -> Response:
        document = ProblemDocument(
            status, code or CODES.get(status, "error"), detail, request_id(request)
        )
        wants_page = "text/html" in request.headers.get("accept", "")
        return page(request, document) if page and wants_page else problem_json(document)

    def on_problem(request: Request, error: Exception) -> Response:
        problem = error if isinstance(error, Problem) else Problem(500, str(error))
        return answer(request, problem.status, problem.detail, problem.code)

    def on_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = str(error.detail) if isinstance(error, HTTPException) else ""
        return answer(request, status, detail)

    def on_invalid(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        return answer(request, 422, "; ".join(_sentence(item) for item in found[:8]))

    def on_bug(request: Request, _error: Exception) -> Response:
        response = answer(
            request, 500, "a bug; the daemon's log holds the trace under this request id", "bug"
        )
        response.headers.update(security_headers())  # outside the guard's reach
        return response

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    for kind, status in ((DependencyDown, 503), (InputError, 422), (PublishRefused, 422)):
        app.add_exception_handler(kind, _as_status(answer, status))
    app.add_exception_handler(Exception, on_bug)


def _as_status(answer: Callable[..., Response], status: int) -> Callable[..., Response]:
    def handler(request: Request, error: Exception) -> Response:
        return answer(request, status, str(error), str(getattr(error, "code", "")))

    return handler


def _sentence(error: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in error.get("loc", ()))
    return f"{place}: {error.get('msg', 'invalid')}"


def request_id(request: Request) -> str:
    """Return the id the guard gave this request."""
    return str(getattr(request.state, "request_id", ""))
