"""The root command: a table that imports what is used, and errors that become exit codes."""

import importlib
import os
import sys
import traceback
from collections.abc import MutableMapping
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typing_extensions import override

import mmindustry
from mmindustry.cli.exits import Exit, exit_of
from mmindustry.cli.table import COMMANDS, Entry
from mmindustry.cli.unread import leave_quietly
from mmindustry.errors import MmindustryError

_HELP_NAMES = {"help_option_names": ["-h", "--help"]}
_HELP = """See, hear and read machines, and say which fault is coming.

\b
Examples:
  mmindustry demo                    a whole plant on this machine, in a browser
  mmindustry run -c mmindustry.yaml  the whole line on your own data
"""
_NATIVE_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
)


class LazyGroup(TyperGroup):
    """Lists commands from the table and imports one only when it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._entries = {entry.name: entry for entry in COMMANDS}
        for entry in COMMANDS:
            stand_in = TyperCommand(entry.name, help=entry.help, rich_markup_mode=None)
            self.add_command(stand_in)

    @override
    def make_context(self, *given: Any, **more: Any) -> Any:
        """Return the context of a call; `--help` prints here."""
        with leave_quietly():
            return super().make_context(*given, **more)

    @override
    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with leave_quietly():
            return super().invoke(ctx)

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that `args` name, imported now."""
        entry = self._entries.get(args[0]) if args else None
        if entry is not None:
            _log_to_stderr(str(ctx.obj or "info"))
            self.add_command(load(entry), entry.name)
        return super().resolve_command(ctx, args)


def _log_to_stderr(level: Any) -> None:
    from mmindustry.clock import SystemClock
    from mmindustry.telemetry.logs import make_default
    from mmindustry.telemetry.policy import TelemetryPolicy

    make_default(TelemetryPolicy(log_level=level), sys.stderr, SystemClock())


def load(entry: Entry) -> Any:
    """Return the command, or noun with verbs, that an entry of the table names."""
    module, _, attribute = entry.target.partition(":")
    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, typer.Typer):
        target.rich_markup_mode = None
        target.pretty_exceptions_enable = False
        group = typer.main.get_group(target)
        group.name = entry.name
        group.no_args_is_help = True
        return group
    single = _new_typer()
    single.command(name=entry.name)(target)
    command = typer.main.get_command(single)
    command.name = entry.name
    return command


def _new_typer(**attributes: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings=_HELP_NAMES,
        **attributes,
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"mmindustry {mmindustry.__version__}, Python {sys.version.split()[0]}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Debug lines too.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Say the version."),
    ] = False,
) -> None:
    del version
    ctx.obj = "debug" if verbose else "warning" if quiet else None


def new_app() -> typer.Typer:
    """Return the root command."""
    app = _new_typer(cls=LazyGroup, no_args_is_help=True, name="mmindustry")
    app.callback(help=_HELP)(_root)
    return app


def limit_native_threads(environment: MutableMapping[str, str]) -> None:
    """Ask native libraries for one thread, unless the environment says another number.

    A process a core is the unit of scale: nested thread pools only fight. It must run before
    numpy is imported, which is why it stands here.
    """
    for name in _NATIVE_THREADS:
        environment.setdefault(name, "1")


def main() -> None:
    """Run the command line and end the process with the code of `exits`.

    A reader that has seen enough (`| head`) is no error of ours: the command ends in silence, as
    one that a shell ended by SIGPIPE.
    """
    limit_native_threads(os.environ)
    with leave_quietly():
        try:
            _run()
        finally:
            print(end="", flush=True)  # what waits there may be what nobody reads


def _run() -> NoReturn:
    """Run the command line.

    Raises:
        SystemExit: Always; with the code.
    """
    try:
        new_app()(prog_name="mmindustry")
    except MmindustryError as error:
        print(f"mmindustry: {error}", file=sys.stderr)
        sys.exit(exit_of(error))
    except OSError as error:
        where = f"{error.filename}: {error.strerror}" if error.filename else error
        print(f"mmindustry: {where}", file=sys.stderr)
        sys.exit(exit_of(error))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except Exception:  # noqa: BLE001 - the outermost edge: a bug is told as one and exits 70
        traceback.print_exc()
        print("mmindustry: this is a bug; please report the lines above.", file=sys.stderr)
        sys.exit(Exit.BUG)
    sys.exit(Exit.OK)
