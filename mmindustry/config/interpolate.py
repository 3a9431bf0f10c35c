"""`${NAME}` inside values, as Vector and Telegraf have it."""

import re
from collections.abc import Mapping

_USE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<how>[-?])(?P<rest>[^}]*))?\}|(?P<bad>\{))"
)


def interpolate(text: str, environment: Mapping[str, str]) -> str:
    """Return `text` with `${V}`, `${V:-default}`, `${V:?message}` filled in and `$$` as `$`.

    Raises:
        ValueError: A variable is unset, its value has a line break, or a `${` is not closed.

    >>> interpolate("${HOST:-localhost}:$$1", {})
    'localhost:$1'
    """

    def fill(use: re.Match[str]) -> str:
        if use["dollar"]:
            return "$"
        if use["bad"]:
            raise ValueError("a ${ without a name and a } (write $$ for a dollar sign)")
        return _value(use, environment)

    return _USE.sub(fill, text)


def _value(use: re.Match[str], environment: Mapping[str, str]) -> str:
    name = use["name"]
    value = environment.get(name)
    if not value and use["how"] == "-":
        value = use["rest"]
    if value is None or (use["how"] == "?" and not value):
        raise ValueError(
            f"{name} is not set: {use['rest']}"
            if use["how"] == "?"
            else f"the environment variable {name} is not set (or give ${{{name}:-default}})"
        )
    if "\n" in value or "\r" in value:
        raise ValueError(f"the value of {name} has a line break")
    return value
