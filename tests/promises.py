"""The rule for services the suite was promised."""

import os
from typing import NoReturn

import pytest


def missing(service: str, why: str) -> NoReturn:
    """Skip on a laptop, fail where the service was promised (`MMINDUSTRY_REQUIRE`)."""
    if service in os.environ.get("MMINDUSTRY_REQUIRE", "").split(","):
        pytest.fail(f"{service} was required but is missing: {why}")
    pytest.skip(f"no {service}: {why}")
