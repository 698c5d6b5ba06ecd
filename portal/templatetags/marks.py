"""Party marks: one small figure is one party.

The pictures are `aria-hidden`; `marks_words` says the same in words and always stands beside them.
"""

from collections.abc import Iterable

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from bookings.tallies import Tally

register = template.Library()

MOST_FIGURES = 30  # one figure a party up to here
SHARE_FIGURES = 20  # above that, figures for the share
MOST_DOTS = 5

# One figure is 9 wide and 17 high; the drawing leaves half a unit of air for outlines.
WIDTH, HEIGHT, APART, APART_AFTER_FIVE = 9, 18, 2.5, 7
LIST_HEIGHT = 18
GATE_ROOM, DOT_STEP, DOTS_ROOM = 4, 5.8, 38.5

SOLID = "m4.5 .5a2.75 2.75 0 0 1 0 5.5 2.75 2.75 0 0 1 0-5.5zm-4.5 17v-6.15a4.5 4.5 0 0 1 9 0v6.15z"
OUTLINE = "m4.5 1a2.25 2.25 0 0 1 0 4.5 2.25 2.25 0 0 1 0-4.5zm-4 16v-5.65a4 4 0 0 1 8 0v5.65z"
LOWER_HALF = "m.5 12.5h8v4.5h-8z"
DOT = "a2.3 2.3 0 0 1 0 4.6 2.3 2.3 0 0 1 0-4.6z"
PLUS = "h1.6v1.9h1.9v1.6h-1.9v1.9h-1.6v-1.9h-1.9v-1.6h1.9z"


def scaled(confirmed: int, offered: int, free: int, *, shared: bool = False) -> tuple[int, int, int]:
    """How many figures stand for each number.

    Up to thirty parties one figure each; above that, or `shared`, twenty figures for the share. What is not nothing
    keeps at least one figure; only what is confirmed gives way.
    """
    total = confirmed + offered + free
    if total == 0 or (total <= MOST_FIGURES and not shared):
        return confirmed, offered, free
    some_offered, some_free = (max(round(SHARE_FIGURES * n / total), min(n, 1)) for n in (offered, free))
    if confirmed:
        some_offered = min(some_offered, SHARE_FIGURES - 1 - min(some_free, 1))
        some_free = min(some_free, SHARE_FIGURES - 1 - some_offered)
    else:
        some_offered = min(some_offered, SHARE_FIGURES - min(some_free, 1))
        some_free = SHARE_FIGURES - some_offered
    return SHARE_FIGURES - some_offered - some_free, some_offered, some_free


def marks(confirmed: int, offered: int, free: int, waiting: int, height: int = LIST_HEIGHT) -> SafeString:
    """The bar: solid figures, half filled ones, outlines, then a gate, up to five dots and a plus for those who wait.

    In lists the room for the dots is always kept, so that all bars have one scale; a taller bar stands alone and keeps
    it only when somebody waits.
    """
    xs = _positions(confirmed + offered + free)
    solid, half, open_ = xs[:confirmed], xs[confirmed : confirmed + offered], xs[confirmed + offered :]
    end = xs[-1] + WIDTH if xs else 0
    paths = [
        _path("m-confirmed", solid, SOLID),
        _path("m-offered", half, OUTLINE),
        _path("m-half", half, LOWER_HALF),
        _path("m-free", open_, OUTLINE),
    ]
    if waiting > 0:
        dots = [end + GATE_ROOM + 6 + DOT_STEP * n for n in range(min(waiting, MOST_DOTS))]
        drawn = "".join(f"M{_n(x)} 12.9{DOT}" for x in dots)
        if waiting > MOST_DOTS:
            drawn += f"M{_n(dots[-1] + DOT_STEP - 0.5)} 12.5{PLUS}"
        paths.append(f'<path class="m-gate" d="M{_n(end + GATE_ROOM)} .5v17"/>')
        paths.append(f'<path class="m-waiting" d="{drawn}"/>')
    width = end + (GATE_ROOM + DOTS_ROOM if waiting > 0 or height <= LIST_HEIGHT else 0)
    return _svg(width, height, paths)


def figures(count: int, height: int = 36) -> SafeString:
    """Plain figures, for the choice of size."""
    xs = [n * (WIDTH + APART) for n in range(count)]
    return _svg(xs[-1] + WIDTH if xs else 0, height, [_path("m-plain", xs, SOLID)])


@register.simple_tag
def party_marks(tally: Tally, height: int = LIST_HEIGHT) -> SafeString:
    """The bar of one session: 18 high in lists, 28 on a page of its own."""
    confirmed, offered, free = scaled(tally.confirmed, tally.offered, tally.free, shared=tally.unit == "places")
    return marks(confirmed, offered, free, tally.waiting, height)


@register.simple_tag
def party_figures(count: int | str, height: int = 36) -> SafeString:
    """So many large figures; nothing for what is no number."""
    return figures(int(count), height) if str(count).isdecimal() else SafeString("")


@register.simple_tag
def day_figures(states: Iterable[str]) -> SafeString:
    """One small figure a session of that day: `free`, `full` or `off`."""
    kinds = {"free": ("m-free", OUTLINE), "full": ("m-confirmed", SOLID), "off": ("m-off", OUTLINE)}
    drawn = [(n * (WIDTH + APART), *kinds[state]) for n, state in enumerate(states)]
    return _svg(len(drawn) * (WIDTH + APART) - APART, 15, [_path(name, [x], figure) for x, name, figure in drawn])


@register.simple_tag
def mark_sample(kind: str) -> SafeString:
    """One figure for a key: `confirmed`, `offered`, `free`, `off`, or the dot of `waiting`."""
    if kind == "waiting":
        return _svg(6, 18, [f'<path class="m-waiting" d="M3 12{DOT}"/>'])
    paths = {
        "confirmed": [_path("m-confirmed", [0], SOLID)],
        "offered": [_path("m-offered", [0], OUTLINE), _path("m-half", [0], LOWER_HALF)],
        "free": [_path("m-free", [0], OUTLINE)],
        "off": [_path("m-off", [0], OUTLINE)],
    }
    return _svg(WIDTH, 18, paths[kind])


@register.filter
def marks_words(tally: Tally) -> str:
    """The same in words: "16 confirmed · 2 offered · 2 free", "All 20 taken · 27 waiting".

    A line breaks after a dot and nowhere else.
    """
    places = tally.unit == "places"
    parts = []
    if tally.confirmed and not tally.offered and not tally.free:
        # Translators: a session with no room left: 「20 组已满」, or 「60 个名额已满」 where places are counted
        parts.append(
            ngettext("All %(n)s place taken", "All %(n)s places taken", tally.confirmed)
            if places
            else ngettext("All %(n)s taken", "All %(n)s taken", tally.confirmed)
        )
        parts[0] %= {"n": tally.confirmed}
    else:
        counted = (
            (
                (tally.confirmed, ngettext("%(n)s place confirmed", "%(n)s places confirmed", tally.confirmed)),
                (tally.offered, ngettext("%(n)s place offered", "%(n)s places offered", tally.offered)),
                (tally.free, ngettext("%(n)s place free", "%(n)s places free", tally.free)),
            )
            if places
            else (
                # Translators: parties of a session: 「已确认 16 组」「待确认 2 组」「空余 2 组」
                (tally.confirmed, ngettext("%(n)s confirmed", "%(n)s confirmed", tally.confirmed)),
                (tally.offered, ngettext("%(n)s offered", "%(n)s offered", tally.offered)),
                (tally.free, ngettext("%(n)s free", "%(n)s free", tally.free)),
            )
        )
        parts.extend(words % {"n": n} for n, words in counted if n)
    if tally.waiting:
        # Translators: parties in the waitlist: 「候补 27 组」
        waiting = (
            ngettext("%(n)s party waiting", "%(n)s parties waiting", tally.waiting)
            if places
            else ngettext("%(n)s waiting", "%(n)s waiting", tally.waiting)
        )
        parts.append(waiting % {"n": tally.waiting})
    whole = (part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)
    return "\N{NO-BREAK SPACE}· ".join(whole) or gettext("No places yet")


def _positions(count: int) -> list[float]:
    return [n * (WIDTH + APART) + n // 5 * (APART_AFTER_FIVE - APART) for n in range(count)]


def _path(name: str, xs: list[float], figure: str) -> str:
    """All figures of one state in one path; each drawing starts with a move that is relative to its figure's corner."""
    return f'<path class="{name}" d="{"".join(f"M{_n(x)} 0{figure}" for x in xs)}"/>' if xs else ""


def _svg(width: float, height: int, paths: list[str]) -> SafeString:
    return format_html(
        '<svg class="marks" viewBox="0 0 {} {}" width="{}" height="{}" aria-hidden="true" focusable="false">{}</svg>',
        _n(width),
        HEIGHT,
        _n(round(width * height / HEIGHT, 1)),
        height,
        mark_safe("".join(paths)),  # noqa: S308 -- numbers and constants of this module only
    )


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
