"""What came of a rule, and the table of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bookings.management.simulation.season import SIZES

HEAD = [
    "rule",
    "empty places",
    "idle place-hours",
    "passed over",
    "success of 1",
    *(f"of {size}" for size in SIZES[1:]),
]


@dataclass
class Figures:
    """What came of one rule, added up; a place is empty if a party of the tour could still have come with it."""

    sessions: int = 0
    empty_places: int = 0
    idle_place_hours: float = 0.0
    passed_over: int = 0
    waited: Counter[int] = field(default_factory=Counter)
    placed: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Figures") -> None:
        self.sessions += other.sessions
        self.empty_places += other.empty_places
        self.idle_place_hours += other.idle_place_hours
        self.passed_over += other.passed_over
        self.waited += other.waited
        self.placed += other.placed

    def cells(self) -> list[str]:
        return [
            f"{self.empty_places / self.sessions:.2f}",
            f"{self.idle_place_hours / self.sessions:.0f}",
            f"{self.passed_over / self.sessions:.1f}",
            *(f"{100 * self.placed[size] / self.waited[size]:.0f} %" if self.waited[size] else "-" for size in SIZES),
        ]


def table(rows: Iterable[tuple[str, Figures]]) -> str:
    """In columns for a terminal, and a table where Markdown is read."""
    lines = [HEAD, *([name, *figures.cells()] for name, figures in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(_row(line, widths) for line in lines)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return f"| {first[0]:<{first[1]}} | " + " | ".join(f"{cell:>{width}}" for cell, width in others) + " |"
