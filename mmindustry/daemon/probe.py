"""Checks run beside each other, none of them longer than it is given."""

import threading
from collections.abc import Iterator, Sequence

from typing_extensions import override

from mmindustry.daemon.finding import Check, Finding, Patient, Verdict
from mmindustry.errors import MmindustryError


def examine_by(check: Check, patient: Patient) -> Iterator[Finding]:
    """Yield what a check finds; one that breaks down over an expected error is a failed one."""
    try:
        yield from check(patient)
    except (MmindustryError, OSError) as error:
        yield Finding(name_of(check), Verdict.FAIL, str(error).splitlines()[0], "see the message")


def examine_at_once(
    checks: Sequence[Check], patient: Patient, *, limit_seconds: float
) -> Iterator[Finding]:
    """Yield what the checks find, in their order, all of them begun at once.

    A check that is not done in time is a failed one, after what it found until then; its thread
    is left to itself and ends with the process.
    """
    probes = [_Probe(check, patient) for check in checks]
    deadline = patient.clock.monotonic() + limit_seconds
    for probe in probes:
        probe.start()
    for probe in probes:
        left = deadline - patient.clock.monotonic()
        yield from probe.findings(max(left, 0.0), limit_seconds)


def name_of(check: Check) -> str:
    """Return how a check is called in a finding."""
    return check.__name__.removeprefix("check_").replace("_", " ")


class _Probe(threading.Thread):
    """One check on a thread of its own."""

    def __init__(self, check: Check, patient: Patient) -> None:
        super().__init__(name=check.__name__, daemon=True)
        self._check = check
        self._patient = patient
        self._found: list[Finding] = []
        self._bug: Exception | None = None

    @override
    def run(self) -> None:
        """Examine, and keep what was found."""
        try:
            for finding in examine_by(self._check, self._patient):
                self._found.append(finding)
        except Exception as error:  # noqa: BLE001 - carried to the thread that asked
            self._bug = error

    def findings(self, wait_seconds: float, limit_seconds: float) -> Iterator[Finding]:
        """Yield what was found, waiting so long for the end of the check."""
        self.join(wait_seconds)
        late = self.is_alive()
        yield from tuple(self._found)
        if late:
            told = f"no answer within {limit_seconds:g} s"
            remedy = "is the service there, and this machine not overloaded?"
            yield Finding(name_of(self._check), Verdict.FAIL, told, remedy)
        if self._bug is not None:
            raise self._bug
