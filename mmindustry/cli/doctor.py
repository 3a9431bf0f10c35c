"""`mmindustry doctor`."""

import json
import os
from dataclasses import asdict
from typing import Annotated

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.exits import Exit
from mmindustry.cli.options import AsJson, ConfigFile


def doctor(
    file: ConfigFile = None,
    as_json: AsJson = False,
    strict: Annotated[bool, typer.Option("--strict", help="A warning fails too.")] = False,
) -> None:
    """Check this machine, the settings, database, stream and bundle; exit 1 where one fails.

    Example: mmindustry doctor -c mmindustry.yaml
    """
    loaded = read_settings(file)
    from mmindustry.clock import SystemClock
    from mmindustry.daemon.doctor import examine
    from mmindustry.daemon.finding import Patient, Verdict

    patient = Patient(loaded=loaded, clock=SystemClock(), environment=os.environ)
    bad = {Verdict.FAIL, Verdict.WARN} if strict else {Verdict.FAIL}
    failed = False
    for number, finding in enumerate(examine(patient), start=1):
        failed = failed or finding.verdict in bad
        if as_json:
            print(json.dumps({"number": number, **asdict(finding)}))
        else:
            remedy = f"  -> {finding.remedy}" if finding.remedy else ""
            print(f"{number:2} {finding.verdict:4} {finding.name}: {finding.detail}{remedy}")
    if failed:
        raise typer.Exit(Exit.FAILED)
