"""How a session is told to a visitor: which tag, which sentence, which act. One place for all pages that show one."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext

from bookings import tallies
from bookings.domain.first_call import kept_until
from bookings.models import SessionState, TourSession
from bookings.tallies import Tag, Tally
from portal.templatetags.times import session_short_day, session_time, session_when, venue_moment, zone_name

IN_LANGUAGE = {
    "zh-hans": gettext_lazy("In Chinese"),
    "en": gettext_lazy("In English"),
    "de": gettext_lazy("In German"),
    "fr": gettext_lazy("In French"),
    "ja": gettext_lazy("In Japanese"),
    "ko": gettext_lazy("In Korean"),
}


class SessionWords(NamedTuple):
    """One session as it stands now."""

    session: TourSession
    state: SessionState
    is_over: bool
    tally: Tally
    tag: Tag
    sentence: str  # the state, in one or two sentences
    act: str  # what can be asked for now, the name of a button; empty if nothing
    language: str


class Row(NamedTuple):
    """One session in a list, as `portal/_session_row.html` takes it."""

    time: str
    when: str
    what: str
    tag: Tag
    tally: Tally
    called_off: str
    link: str
    session_url: str


def describe(session: TourSession, *, now: datetime, is_in: bool = False) -> SessionWords:
    return describe_all([session], now=now, is_in=is_in)[0]


def describe_all(sessions: Sequence[TourSession], *, now: datetime, is_in: bool = False) -> list[SessionWords]:
    """As a newcomer finds them, or, with ``is_in``, a party of their season.

    Needs season, tour and venue of each session at hand; asks the database at most once more for all of them.
    """
    offered = tallies.places_offered(sessions)
    return [_describe(session, places_offered=offered.get(session.pk, 0), now=now, is_in=is_in) for session in sessions]


def row(words: SessionWords, *, with_day: bool = False, with_zone: bool = False, with_venue: bool = False) -> Row:
    """What all rows of a list share, like one zone or one venue, is not said in each."""
    session = words.session
    what = [session_short_day(session)] if with_day else []
    what.append(words.language)
    if with_venue:
        what.append(str(session.venue.name))
    if with_zone:
        what.append(zone_name(session.venue))
    links = {SessionState.PLACES: gettext("Sign up"), SessionState.WAITLIST: gettext("Join the waitlist")}
    called_off = ""
    if words.state == SessionState.CALLED_OFF:
        called_off = str(session.call_off_reason) or gettext("It will not take place.")
    return Row(
        time=session_time(session),
        when=session_when(session),
        what=" · ".join(what),
        tag=words.tag,
        tally=words.tally,
        called_off=called_off,
        link=links.get(words.state) or gettext("See the session"),
        session_url=session.get_absolute_url(),
    )


def between_sentences() -> str:
    # Translators: where a language sets no space after a full stop, a zero-width space
    return pgettext("between sentences", " ")


def length(session: TourSession) -> str:
    minutes = int((session.ends_at - session.starts_at).total_seconds() // 60)
    hours, rest = divmod(minutes, 60)
    if rest or not hours:
        return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes}
    return ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}


def _describe(session: TourSession, *, places_offered: int, now: datetime, is_in: bool) -> SessionWords:
    state = session.state(now, is_in=is_in)
    is_over = now >= session.ends_at
    tally = tallies.tally(session, places_offered=places_offered)
    acts = {SessionState.PLACES: gettext("Ask for places"), SessionState.WAITLIST: gettext("Join the waitlist")}
    return SessionWords(
        session=session,
        state=state,
        is_over=is_over,
        tally=tally,
        tag=_tag(session, state, tally),
        sentence=_sentence(session, state, tally, now=now),
        act=acts.get(state, ""),
        language=str(IN_LANGUAGE[session.language]),
    )


def _tag(session: TourSession, state: SessionState, tally: Tally) -> Tag:
    if state == SessionState.NOT_YET:
        return Tag("out", gettext("Opens %(when)s") % {"when": venue_moment(session.season.opens_at, session.venue)})
    return tallies.tag(state, tally)


def _sentence(session: TourSession, state: SessionState, tally: Tally, *, now: datetime) -> str:
    if state == SessionState.CALLED_OFF:
        return _called_off(session)
    if state == SessionState.NOT_YET:
        return gettext("Sign-up opens on %(when)s, %(zone)s.") % {
            "when": venue_moment(session.season.opens_at, session.venue),
            "zone": zone_name(session.venue),
        }
    if state == SessionState.CLOSED:
        return _closed(session, now=now)
    if state == SessionState.WAITLIST:
        return _waitlist(session, tally)
    return _room(tally)


def _called_off(session: TourSession) -> str:
    told = [gettext("This session will not take place."), str(session.call_off_reason)]
    return between_sentences().join(filter(None, told))


def _closed(session: TourSession, *, now: datetime) -> str:
    if now >= session.ends_at:
        return gettext("This session is over.")
    if now >= session.starts_at:
        return gettext("This session has begun.")
    if now >= session.roster_locks_at:
        return gettext("The list of visitors is fixed, so nobody can sign up any more.")
    return gettext("Sign-up for this session has closed.")


def _waitlist(session: TourSession, tally: Tally) -> str:
    if tally.waiting:
        waiting = ngettext("About %(n)s party is waiting.", "About %(n)s parties are waiting.", tally.waiting)
        waiting %= {"n": tally.waiting}
    else:
        waiting = gettext("Nobody is waiting yet, so you would be first in line.")
    if tally.free:
        taken = gettext("What is free goes to the parties that wait, in their order.")
    elif session.places_kept and (until := kept_until(session)):
        taken = _kept(session.places_kept) % {
            "n": session.places_kept,
            "when": venue_moment(until, session.venue),
        }
    else:
        taken = gettext("All places are taken.")
    return between_sentences().join([taken, waiting])


def _kept(places: int) -> str:
    return ngettext(
        "Until %(when)s, %(n)s place is kept for visitors whose tour was called off.",
        "Until %(when)s, %(n)s places are kept for visitors whose tour was called off.",
        places,
    )


def _room(tally: Tally) -> str:
    if tally.unit == "places":
        return ngettext("%(n)s place is free.", "%(n)s places are free.", tally.free) % {"n": tally.free}
    return ngettext("There is room for %(n)s more party.", "There is room for %(n)s more parties.", tally.free) % {
        "n": tally.free
    }
