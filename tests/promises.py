"""The rule for services the suite was promised."""

import os

import pytest


def missing(service: str, why: str) -> None:
    """Skip on a laptop, fail where the service was promised (`MMINDUSTRY_REQUIRE`)."""
    if service in os.environ.get("MMINDUSTRY_REQUIRE", "").split(","):
        pytest.fail(f"{service} was required but is missing: {why}")
    pytest.skip(f"no {service}: {why}")
