"""Scripts for the small world: what Hypothesis draws."""

from dataclasses import dataclass

from hypothesis import strategies as st

from mmindustry.windowing.policy import WindowPolicy

SOURCES = ("cam", "cam", "mic", "mic-2", "note", "state")


@dataclass(frozen=True, slots=True)
class Emit:
    """One message; `fault`: "" fine, "bad" decode refuses, "torn" build refuses, "twin" again,
    "echo" what another asset named alike."""

    asset: int
    source: str
    jitter: float
    fault: str
    size: int


@dataclass(frozen=True, slots=True)
class Act:
    """Anything else that happens: `verb` and its argument."""

    verb: str
    worker: str = "a"
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Known:
    """One row of the registry: valid from `begin` until before `end`, seconds since the beginning;
    `every` in seconds; None = without bound, unknown."""

    asset: int
    source: str
    begin: float | None = None
    end: float | None = None
    every: float | None = None


def emits() -> st.SearchStrategy[Emit]:
    return st.builds(
        Emit,
        asset=st.sampled_from([0, 0, 0, 1, 2]),
        source=st.sampled_from(SOURCES),
        jitter=st.sampled_from([0.0, 0.0, 0.0, 0.3, -0.5, -0.9, -2.0, -5.0, -9.0, -14.0, 1.5]),
        fault=st.sampled_from(["", "", "", "", "", "", "", "twin", "echo", "bad", "torn"]),
        size=st.integers(1, 200),
    )


def acts() -> st.SearchStrategy[Act]:
    workers = st.sampled_from(["a", "b"])
    verbs = st.sampled_from(
        [
            "crash_before",
            "crash_archived",
            "crash_saved",
            "assign_a",
            "assign_b",
            "assign_split",
            "zombie",
            "fail_save",
            "flush",
        ]
    )
    return st.one_of(
        st.builds(Act, verb=st.just("crank"), value=st.sampled_from([0.2, 1.0, 1.0, 2.5, 6.0])),
        *[st.builds(Act, verb=st.just("turn"), worker=workers)] * 4,
        st.builds(Act, verb=verbs, worker=workers),
    )


def scripts() -> st.SearchStrategy[list[Emit | Act]]:
    lines = st.one_of(emits(), emits(), emits(), acts(), acts())
    return st.lists(lines, min_size=20, max_size=90)


def registries() -> st.SearchStrategy[list[Known]]:
    """Draw rows of the registry, several a source among them, as feeds of other spans leave."""
    row = st.builds(
        Known,
        asset=st.sampled_from([0, 0, 1, 2]),
        source=st.sampled_from(["cam", "mic", "mic-2"]),
        begin=st.sampled_from([None, None, 0.0, 3.0, 12.0, 30.0]),
        end=st.sampled_from([None, None, 2.0, 9.0, 20.0, 45.0]),
        every=st.sampled_from([None, None, 1.0, 5.0]),
    )
    return st.lists(row, max_size=6)


def policies() -> st.SearchStrategy[WindowPolicy]:
    return plain_policies(
        stray_after_seconds=st.sampled_from([3600.0, 8.0]),
        most_strays=st.sampled_from([64, 1]),
        budget_bytes=st.sampled_from([100_000, 1024]),
        close_limit=st.sampled_from([64, 1]),
    )


def plain_policies(**more: st.SearchStrategy[float]) -> st.SearchStrategy[WindowPolicy]:
    """Return small window policies, hopping ones among them; `more`: other fields to draw."""
    return st.builds(
        WindowPolicy,
        name=st.just("law"),
        length_seconds=st.just(4.0),
        hop_seconds=st.sampled_from([4.0, 4.0, 2.0]),
        grace_seconds=st.just(1.0),
        max_wait_seconds=st.just(3.0),
        quiet_after_seconds=st.just(8.0),
        **more,
    )
