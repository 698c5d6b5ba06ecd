"""What the room says in numbers, in the language that is active. ``said`` keeps it: of a crowd most hear the same."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, ngettext_lazy, override

from portal.waiting_room.pace import TURN_KEPT, rounded

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@lru_cache(5000)
def said(language: str, words: Callable[..., str], *numbers: int) -> SafeString:
    """Ready for a page. Numbers are given as they are said: rounded."""
    with override(language):
        return escape(words(*numbers))


def minutes(seconds: float) -> int:
    """As they are said: 0 for less than one, from an hour and a half on whole hours."""
    if seconds < 60:
        return 0
    found = round(seconds / 60)
    return rounded(found) if found < 90 else 60 * round(found / 60)


def before(number: int) -> str:
    if number == 0:
        return gettext("You are next")
    if number < 20:
        return ngettext("%(n)s party is before you", "%(n)s parties are before you", number) % {"n": number}
    # Translators: n is 20 or more, with a comma for thousands
    return gettext("About %(n)s parties are before you") % {"n": f"{number:,}"}


def pace(a_minute: int, to_wait: int) -> str:
    """``to_wait`` are minutes."""
    words = {"n": f"{a_minute:,}", "wait": wait(to_wait)}
    if to_wait == 0:
        return gettext("About %(n)s parties a minute get the form: your turn comes in less than a minute.") % words
    return gettext("About %(n)s parties a minute get the form: your turn comes in about %(wait)s.") % words


def wait(minutes: int) -> str:
    if minutes < 90:
        return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes}
    hours = round(minutes / 60)
    return ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}


def _later(in_seconds: "_StrPromise", in_minutes: "_StrPromise", seconds: int) -> str:
    return in_seconds % {"n": seconds} if seconds < 90 else in_minutes % {"n": round(seconds / 60)}


def kept() -> str:
    return gettext(
        "This device keeps your turn, also while it sleeps or the page is closed; once it has come, for %(n)s minutes."
    ) % {"n": TURN_KEPT // 60}


def full() -> str:
    return gettext(
        "The places of this session are taken by now: your turn leads to its waitlist. The list of sessions says where "
        "places are left."
    )


# By the marks of the page that hold them: when it looks again, or when the form on it may be sent again.
OF_A_LOOK = {
    "again": partial(
        _later,
        ngettext_lazy("This page looks again in %(n)s second.", "This page looks again in %(n)s seconds.", "n"),
        ngettext_lazy("This page looks again in %(n)s minute.", "This page looks again in %(n)s minutes.", "n"),
    )
}
OF_A_FORM = {
    "by_hand": partial(
        _later,
        ngettext_lazy("Send it again in %(n)s second.", "Send it again in %(n)s seconds.", "n"),
        ngettext_lazy("Send it again in %(n)s minute.", "Send it again in %(n)s minutes.", "n"),
    ),
    "by_itself": partial(
        _later,
        ngettext_lazy("This page sends it again in %(n)s second.", "This page sends it again in %(n)s seconds.", "n"),
        ngettext_lazy("This page sends it again in %(n)s minute.", "This page sends it again in %(n)s minutes.", "n"),
    ),
}
