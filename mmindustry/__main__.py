"""`python -m mmindustry` is `mmindustry`."""

from mmindustry.cli.main import main

if __name__ == "__main__":
    main()
