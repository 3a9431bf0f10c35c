"""A query says only what its address understands: what is misspelt is told, never passed over."""

from collections.abc import Collection, Iterator, Mapping

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from mmindustry.web.guard import OPEN_PATHS
from mmindustry.web.problem import Problem, unreadable_value

Choices = Mapping[str, Collection[str]]
"""Keys that every address takes -> the values they may have."""


def check_query(request: Request, choices: Choices) -> None:
    """Let a request through whose query holds only keys its route takes.

    Args:
        request: As it came; its route has been found.
        choices: What every page understands beside its own keys.

    Raises:
        Problem: 400, a key is unknown here (it names those that are known), is given twice, or
            one of `choices` has another value.
    """
    route = request.scope.get("route")
    if request.url.path in OPEN_PATHS or not isinstance(route, APIRoute):
        return
    known = dict.fromkeys(_keys(route.dependant))
    seen: set[str] = set()
    for key, value in request.query_params.multi_items():
        if key not in known and key not in choices:
            raise _unknown(key, tuple(known))
        if key in seen:
            raise unreadable_value(key, value, "it is given twice")
        if key in choices and value not in choices[key]:
            raise unreadable_value(key, value, "it is one of " + ", ".join(sorted(choices[key])))
        seen.add(key)


def _keys(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _keys(inner)


def _unknown(key: str, known: tuple[str, ...]) -> Problem:
    told = ", ".join(f"`{name}`" for name in known) or "none"
    return Problem(
        400,
        f"the query's `{key[:80]}` is not known here; known: {told}",
        key="refused.query_key" if known else "refused.query_no_key",
        values={"name": key[:80], "known": ", ".join(known)},
    )
