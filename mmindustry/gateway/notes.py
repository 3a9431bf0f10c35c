"""What a person should know of a plan's files, though the rest of them is fed."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Notes:
    """`skipped`: rows the plan let go. `doubtful`: local times that a zone's clocks never show or
    show twice, each with what was taken. All name file and place."""

    skipped: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
