"""The command line: one module a noun, one function call a command. Only this package prints."""

from mmindustry.cli.main import main

__all__ = ["main"]
