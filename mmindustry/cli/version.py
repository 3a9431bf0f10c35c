"""`mmindustry version`."""

import json
import platform

import mmindustry
from mmindustry.cli.options import AsJson


def version(as_json: AsJson = False) -> None:
    """Say which mmindustry and which Python run here.

    Example: mmindustry version
    """
    facts = {
        "mmindustry": mmindustry.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }
    print(json.dumps(facts) if as_json else "\n".join(f"{k} {v}" for k, v in facts.items()))
