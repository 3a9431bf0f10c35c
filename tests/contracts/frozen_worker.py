"""A worker that stops in mid-transaction, behind the fence, and goes on when it is told to.

Run by `test_postgres.py`: `python -m tests.contracts.frozen_worker URL IDLE_SECONDS`.
"""

import sys

from sqlalchemy.exc import DBAPIError

from mmindustry.errors import Fenced
from mmindustry.store.database import open_database
from mmindustry.store.fence import Fence, Mark, raise_epoch
from mmindustry.store.policy import StorePolicy
from mmindustry.testing import BEGINNING


def tell(what: str) -> None:
    """Say it to the test at once."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main(url: str, idle_seconds: float) -> None:
    """Claim partition 0, hold its row in an open transaction, wait for a line, try to finish."""
    database = open_database(StorePolicy(url=url, idle_in_transaction_seconds=idle_seconds))
    fence = Fence()
    with database.write() as connection:
        row = raise_epoch(connection, 0, BEGINNING)
    fence.claimed({0: Mark(row["epoch"], row["step"], row["era"])})
    try:
        with database.write() as connection:
            fence.pass_through(connection, {0: {"received": 666}}, BEGINNING)
            tell("holding")
            sys.stdin.readline()
            connection.exec_driver_sql("SELECT 1")
    except DBAPIError:
        tell("transaction lost")
    try:
        with database.write() as connection:
            fence.pass_through(connection, {0: {"received": 666}}, BEGINNING)
    except Fenced:
        tell("fenced")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
