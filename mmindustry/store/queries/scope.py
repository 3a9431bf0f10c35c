"""What of the plant a reader may see: one path prefix, asked in one place."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, true

from mmindustry.errors import InputError


@dataclass(frozen=True, slots=True)
class Scope:
    """An equipment path prefix (`site/area`); empty = the whole plant."""

    prefix: str = ""

    def allows(self, path: str) -> bool:
        """Return whether `path` is the prefix or lies below it.

        >>> Scope("aachen/press").allows("aachen/press/l1/p1"), Scope("aa").allows("aachen")
        (True, False)
        """
        return not self.prefix or path == self.prefix or path.startswith(self.prefix + "/")

    def narrowed(self, under: str) -> "Scope":
        """Return the part of this scope that lies under `under` (the wider one of two wins not).

        Raises:
            InputError: The two have nothing in common.
        """
        if self.allows(under):
            return Scope(under)
        if not under or Scope(under).allows(self.prefix):
            return self
        raise InputError(f"{under!r} lies outside of what you may see")

    def covers(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        """Return the condition that `column` (an asset path) lies in this scope."""
        if not self.prefix:
            return true()
        below = self.prefix + "/"
        return or_(column == self.prefix, func.substr(column, 1, len(below)) == below)
