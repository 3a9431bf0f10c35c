"""The docstrings under the fields of a policy, those of its parents included."""

import ast
import inspect
import textwrap
from typing import Any


def field_docs(kind: type[Any]) -> dict[str, str]:
    """Return field -> the docstring under it; the nearest class of the line of parents wins."""
    docs: dict[str, str] = {}
    for parent in reversed(kind.__mro__):
        if parent.__module__.startswith("mmindustry."):
            docs.update(_own_docs(parent))
    return docs


def _own_docs(kind: type[Any]) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    docs = {}
    for field, after in zip(_body(tree), _body(tree)[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            docs[field.target.id] = inspect.cleandoc(str(after.value.value))
    return docs


def _body(tree: ast.stmt) -> list[ast.stmt]:
    return tree.body if isinstance(tree, ast.ClassDef) else []
