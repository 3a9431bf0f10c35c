"""Shipped fakes for every port, a hand-cranked clock, and makers of events.

The fakes keep the promises of `mmindustry.ports` in memory and pass the same contract suites as
the real adapters, so tests of the line need neither servers nor mocks.
"""

from mmindustry.testing.archive import FakeArchive, FakeStorage
from mmindustry.testing.clock import HandClock
from mmindustry.testing.database import FakeDatabase, WindowRow
from mmindustry.testing.log import FakeGroup, FakeLog, FakeSource
from mmindustry.testing.make import ASSET, BEGINNING, make_event, make_message, make_window
from mmindustry.testing.outward import (
    FakeDeadLetters,
    FakeMarker,
    FakeNotifier,
    FakePredictor,
    FakePublisher,
)
from mmindustry.testing.recorder import FakeRecorder

__all__ = [
    "ASSET",
    "BEGINNING",
    "FakeArchive",
    "FakeDatabase",
    "FakeDeadLetters",
    "FakeGroup",
    "FakeLog",
    "FakeMarker",
    "FakeNotifier",
    "FakePredictor",
    "FakePublisher",
    "FakeRecorder",
    "FakeSource",
    "FakeStorage",
    "HandClock",
    "WindowRow",
    "make_event",
    "make_message",
    "make_window",
]
