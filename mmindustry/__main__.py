"""`python -m mmindustry` is `mmindustry`, and this is where both begin."""

import sys

_INTERRUPTED = 130
"""As `cli.exits` has it, which can't be imported yet."""


def main() -> None:
    """Run the command line; Ctrl-C while it is still being imported ends in silence."""
    try:
        from mmindustry.cli.main import main as run  # noqa: PLC0415 - the imports are interruptible
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
