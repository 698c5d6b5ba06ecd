"""The pages of the room. Rendered once for each session and language; then only sentences are put in."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import conditional_escape, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, override

from bookings.models import SessionState, TourSession
from portal.templatetags.times import near_moment, zone_name
from portal.waiting_room import words
from portal.waiting_room.pace import TIME_FOR_THE_FORM, rounded
from portal.waiting_room.words import said

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
        seconds = place.before / place.pace
        sentences = {
            "headline": said(language, words.before, rounded(place.before)),
            "first": said(language, words.pace, rounded(max(1, round(60 * place.pace))), words.minutes(seconds)),
            "second": said(language, words.full if session.state(now) == SessionState.WAITLIST else words.kept),
        }
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
        about_time = words.OF_A_LOOK if sent is None else words.OF_A_FORM
        times = {name: said(language, sentence, again_in) for name, sentence in about_time.items()}
        for name, sentence in {**sentences, **times, "seconds": str(again_in)}.items():
            page = page.replace(_mark(name), conditional_escape(sentence))
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
        with override(language):
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


def hidden_fields(sent: Sent) -> SafeString:
    return format_html_join("\n", '<input type="hidden" name="{}" value="{}">', sent)


def _mark(name: str) -> str:
    return f"[[{name}]]"
