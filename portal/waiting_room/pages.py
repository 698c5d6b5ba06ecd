"""The pages of the room. Rendered once for each session and language; then only sentences are put in."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import escape, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, override

from bookings.models import SessionState, TourSession
from portal.templatetags.times import near_moment, zone_name
from portal.waiting_room.pace import TIME_FOR_THE_FORM, TURN_KEPT, rounded

KEPT_FOR = timedelta(seconds=60)
AT_MOST = 500
MARKS = ("headline", "first", "second", "again", "by_hand", "by_itself", "seconds", "written")

# A form that was sent and not taken: names and values as they came, to be sent again.
Sent = Sequence[tuple[str, str]]


class Place(NamedTuple):
    """Where somebody stands, and when its page looks again."""

    before: int
    pace: float
    again_in: int


class Pages:
    """Empty pages of this process, with marks where sentences go."""

    def __init__(self) -> None:
        self._empty: dict[tuple[int, str, str, bool], tuple[str, datetime]] = {}
        self._lock = Lock()

    def waiting(self, session: TourSession, language: str, place: Place, *, sent: Sent | None, now: datetime) -> str:
        with override(language):
            second = _is_full() if session.state(now) == SessionState.WAITLIST else _kept()
            sentences = {"headline": before_words(place.before), "first": pace_words(place), "second": second}
            return self._filled("waiting", session, language, sentences, place.again_in, sent=sent, now=now)

    def before_opening(
        self, session: TourSession, language: str, again_in: int, *, sent: Sent | None, now: datetime
    ) -> str:
        with override(language):
            opens = near_moment(session.season.opens_at, session.venue, now)
            sentences = {
                "headline": gettext("Sign-up opens at %(moment)s") % {"moment": opens},
                "first": gettext("That is %(zone)s. Stay here: this page becomes the form by itself.")
                % {"zone": zone_name(session.venue)},
                "second": gettext(
                    "Everybody who is here by then is put in random order: coming earlier is no advantage. "
                    "Whoever comes later stands behind."
                ),
            }
            return self._filled("before", session, language, sentences, again_in, sent=sent, now=now)

    def many(self, session: TourSession, language: str, again_in: int, *, sent: Sent | None, now: datetime) -> str:
        with override(language):
            sentences = {
                "headline": gettext("Many on your network are waiting already"),
                "first": gettext("So that no program fills the line, each network has its share of it."),
                "second": gettext("Stay here: this page joins the line by itself as soon as there is room."),
            }
            return self._filled("many", session, language, sentences, again_in, sent=sent, now=now)

    def sending(self, session: TourSession, language: str, again_in: int, *, sent: Sent | None, now: datetime) -> str:
        with override(language):
            sentences = {
                "headline": gettext("Another form of yours is being sent"),
                "first": gettext("Each turn is good for one party, and a form in another window is using yours."),
                "second": gettext("Look into that window, or into your mailbox."),
            }
            return self._filled("sending", session, language, sentences, again_in, sent=sent, now=now)

    def too_many(self, session: TourSession, language: str, again_in: int, *, sent: Sent | None, now: datetime) -> str:
        with override(language):
            sentences = {
                "headline": gettext("More people are here than we can serve at this moment"),
                "first": gettext("What was confirmed to you stays."),
                "second": gettext("Stay here: this page tries again by itself."),
            }
            return self._filled("too many", session, language, sentences, again_in, sent=sent, now=now)

    def forget(self) -> None:
        self._empty.clear()

    def _filled(
        self,
        kind: str,
        session: TourSession,
        language: str,
        sentences: Mapping[str, str],
        again_in: int,
        *,
        sent: Sent | None,
        now: datetime,
    ) -> str:
        """What was written comes last: whatever stands in it, no mark in it is filled."""
        page = self._page(kind, session, language, is_sent=sent is not None, now=now)
        said = {**sentences, "again": again_words(again_in), "seconds": str(again_in)}
        if sent is not None:
            said |= {"by_hand": by_hand_words(again_in), "by_itself": by_itself_words(again_in)}
        for name, sentence in said.items():
            page = page.replace(_mark(name), escape(sentence))
        return page.replace(_mark("written"), hidden_fields(sent)) if sent is not None else page

    def _page(self, kind: str, session: TourSession, language: str, *, is_sent: bool, now: datetime) -> str:
        key = session.pk, kind, language, is_sent
        known = self._empty.get(key)
        if known and abs(now - known[1]) <= KEPT_FOR:
            return known[0]
        if known:
            self._empty[key] = known[0], now
        context = {
            "session": session,
            "kind": kind,
            "is_sent": is_sent,
            "section": "sessions",
            "minutes": TIME_FOR_THE_FORM // 60,
            **{name: _mark(name) for name in MARKS},
        }
        request = HttpRequest()
        request.path = request.path_info = f"/{language}/sessions/{session.pk}/sign-up/"
        try:
            page = render_to_string("portal/waiting_room.html", context, request)
        except DatabaseError:
            if known:
                return known[0]
            # Without the name of the house, which stands in a row.
            return render_to_string("portal/waiting_room.html", context)
        with self._lock:
            if len(self._empty) >= AT_MOST:
                self._empty.clear()
            self._empty[key] = page, now
        return page


def answer(page: str, *, path: str, again_in: int, holds_form: bool, status: int = 200) -> HttpResponse:
    """A page that looks again by itself, kept by nobody; one that holds a form would lose it by that."""
    response = HttpResponse(page, status=status)
    if not holds_form:
        response["Refresh"] = refresh(again_in, path=path)
    response["Cache-Control"] = "private, no-store"
    response["X-Frame-Options"] = settings.X_FRAME_OPTIONS
    if status == 503:
        response["Retry-After"] = str(again_in)
    return response


def refresh(again_in: int, *, path: str) -> str:
    """With the address: after a form was sent, looking again must not send it again."""
    return f"{again_in}; url={path}"


def before_words(before: int) -> str:
    if before == 0:
        return gettext("You are next")
    number = rounded(before)
    if number < 20:
        return ngettext("%(n)s party is before you", "%(n)s parties are before you", number) % {"n": number}
    # Translators: n is 20 or more, with a comma for thousands
    return gettext("About %(n)s parties are before you") % {"n": f"{number:,}"}


def pace_words(place: Place) -> str:
    a_minute = rounded(max(1, round(place.pace * 60)))
    seconds = place.before / place.pace
    words = {"n": f"{a_minute:,}", "wait": wait_words(seconds)}
    if seconds < 60:
        return gettext("About %(n)s parties a minute get the form: your turn comes in less than a minute.") % words
    return gettext("About %(n)s parties a minute get the form: your turn comes in about %(wait)s.") % words


def wait_words(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        minutes = rounded(minutes)
        return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes}
    hours = round(minutes / 60)
    return ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}


def again_words(seconds: int) -> str:
    if seconds < 90:
        return ngettext(
            "This page looks again in %(n)s second.", "This page looks again in %(n)s seconds.", seconds
        ) % {"n": seconds}
    minutes = round(seconds / 60)
    return ngettext("This page looks again in %(n)s minute.", "This page looks again in %(n)s minutes.", minutes) % {
        "n": minutes
    }


def by_hand_words(seconds: int) -> str:
    if seconds < 90:
        return ngettext("Send it again in %(n)s second.", "Send it again in %(n)s seconds.", seconds) % {"n": seconds}
    minutes = round(seconds / 60)
    return ngettext("Send it again in %(n)s minute.", "Send it again in %(n)s minutes.", minutes) % {"n": minutes}


def by_itself_words(seconds: int) -> str:
    if seconds < 90:
        return ngettext(
            "This page sends it again in %(n)s second.", "This page sends it again in %(n)s seconds.", seconds
        ) % {"n": seconds}
    minutes = round(seconds / 60)
    return ngettext(
        "This page sends it again in %(n)s minute.", "This page sends it again in %(n)s minutes.", minutes
    ) % {"n": minutes}


def hidden_fields(sent: Sent) -> SafeString:
    return format_html_join("\n", '<input type="hidden" name="{}" value="{}">', sent)


def _kept() -> str:
    return gettext(
        "This device keeps your turn, also while it sleeps or the page is closed; once it has come, for %(n)s minutes."
    ) % {"n": TURN_KEPT // 60}


def _is_full() -> str:
    return gettext(
        "The places of this session are taken by now: your turn leads to its waitlist. The list of sessions says where "
        "places are left."
    )


def _mark(name: str) -> str:
    return f"[[{name}]]"
