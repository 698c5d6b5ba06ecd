"""Plots as SVG, written by hand: one panel under the other, a line or steps or dots in each, a word at each axis.

Colours that can be read on white and on black; no script, no font of its own, nothing to install.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, LEFT, RIGHT = 760, 64, 20
PANEL, GAP, TOP, BOTTOM = 160, 26, 56, 44
INK, FAINT = "#737d8a", "#8f98a3"
COLOURS = ("#2f7ed8", "#d9822b", "#3a9d5d")
MOST_DOTS = 1500


@dataclass(frozen=True)
class Series:
    """Points by time in seconds. ``kind`` is line, steps or dots."""

    name: str
    points: Sequence[tuple[float, float]]
    kind: str = "steps"


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    series: Sequence[Series]

    @property
    def most(self) -> float:
        return max((value for each in self.series for _time, value in each.points), default=1) or 1


def draw(title: str, about: str, panels: Sequence[Panel]) -> str:
    """All panels share the axis of time."""
    last = max((moment for panel in panels for each in panel.series for moment, _value in each.points), default=1) or 1
    ticks = nice_ticks(last)
    last = max(last, ticks[-1])
    height = TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        text(LEFT, 22, title, size=15, weight="600"),
        text(LEFT, 40, about, colour=FAINT),
    ]
    for number, panel in enumerate(panels):
        parts += draw_panel(panel, top=TOP + number * (PANEL + GAP) + 12, ticks=ticks, last=last)
    floor = TOP + len(panels) * (PANEL + GAP) - GAP + 12
    for tick in ticks:
        parts.append(text(x_of(tick, last), floor + 16, f"{tick:g}", anchor="middle"))
    parts.append(text(WIDTH - RIGHT, floor + 30, "seconds from the opening", anchor="end", colour=FAINT))
    return "\n".join([*parts, "</svg>"]) + "\n"


def draw_panel(panel: Panel, *, top: float, ticks: Sequence[float], last: float) -> list[str]:
    bottom, height = top + PANEL - 12, PANEL - 30
    heights = nice_ticks(panel.most)
    most = max(panel.most, heights[-1])

    def y_of(value: float) -> float:
        return bottom - value / most * height

    parts = [text(LEFT, top + 4, panel.title, weight="600")]
    for tick in ticks:
        parts.append(rule(x_of(tick, last), bottom, x_of(tick, last), bottom - height))
    for tick in heights:
        parts.append(rule(LEFT, y_of(tick), WIDTH - RIGHT, y_of(tick)))
        parts.append(text(LEFT - 6, y_of(tick) + 4, f"{tick:g}", anchor="end"))
    parts.append(text(LEFT - 6, top + 4, panel.unit, anchor="end", colour=FAINT))
    along = WIDTH - RIGHT
    named = zip(panel.series, COLOURS, strict=False) if len(panel.series) > 1 else ()
    for series, colour in reversed(list(named)):
        parts.append(text(along, top + 4, series.name, anchor="end", colour=colour, weight="600"))
        along -= 7 * len(series.name) + 14
    for series, colour in zip(panel.series, COLOURS, strict=False):
        places = [(x_of(moment, last), y_of(value)) for moment, value in series.points]
        parts.append(draw_series(series.kind, places, colour))
    return parts


def draw_series(kind: str, places: Sequence[tuple[float, float]], colour: str) -> str:
    if not places:
        return ""
    if kind == "dots":
        some = places[:: max(1, len(places) // MOST_DOTS)]
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in some)
        return f'<path d="{dots}" stroke="{colour}" stroke-width="3" stroke-linecap="round" stroke-opacity=".45"/>'
    path = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
    for x, y in places[1:]:
        path += f"H{x:.1f}V{y:.1f}" if kind == "steps" else f"L{x:.1f} {y:.1f}"
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"/>'


def x_of(moment: float, last: float) -> float:
    return LEFT + moment / last * (WIDTH - LEFT - RIGHT)


def nice_ticks(most: float) -> list[float]:
    """Zero and three to six round numbers, the last at or above the most."""
    step = 10.0**-3
    while True:
        for factor in (1, 2, 5):
            if most / (step * factor) <= 5:
                size = step * factor
                count = int(-(-most // size))
                return [round(size * number, 6) for number in range(count + 1)]
        step *= 10


def rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{FAINT}" stroke-opacity=".3"'
        ' stroke-width="1"/>'
    )


def text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, colour: str = INK, weight: str = "400"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}"'
        f' fill="{colour}">{escape(words)}</text>'
    )


def counted(moments: Sequence[float], *, until: float = 0.0) -> list[tuple[float, float]]:
    """How many had happened by when."""
    points = [(0.0, 0.0), *((moment, float(number)) for number, moment in enumerate(sorted(moments), start=1))]
    return [*points, (until, points[-1][1])] if until > points[-1][0] else points


def write(path: Path, drawing: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(drawing)
