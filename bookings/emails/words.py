"""What the templates of a mail speak of: the rows put into words of the active language, moments as people say them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import translation
from django.utils.dateformat import format as format_date
from django.utils.translation import pgettext

from bookings.durations import time_left
from bookings.emails.changes import changes_to_tell
from bookings.emails.links import party_link
from bookings.emails.names import names_of
from bookings.models import (
    SIGN_UP_OFFER,
    Ahead,
    Booking,
    BookingStatus,
    Notice,
    NoticeKind,
    OfferSource,
    Party,
    parties_ahead,
)

# A waiting party proves its mailbox within this time after the mail that asks for it was handed over.
PROVE_WITHIN = timedelta(hours=24)
# The name a language has for itself, for the link that leads to it.
OWN_NAMES = {"en": "English", "zh-hans": "中文"}
SHOWN_FIRST = [
    BookingStatus.CHECKED_IN,
    BookingStatus.CONFIRMED,
    BookingStatus.OFFERED,
    BookingStatus.WAITING,
    BookingStatus.ENTERED,
    BookingStatus.NO_SHOW,
]


class Sign(NamedTuple):
    """The colours of the panel at the top; its name is the class that dark mode hangs on."""

    name: str
    ground: str
    ink: str
    button: str
    on_button: str


OFFERED = Sign("offered", "#ffc93c", "#12211d", "#12211d", "#ffffff")
CONFIRMED = Sign("confirmed", "#0e3a33", "#eef5ef", "#ffc93c", "#12211d")
WAITING = Sign("waiting", "#e1e9f6", "#12211d", "#0d5c4b", "#ffffff")
ENDED = Sign("ended", "#e2e8e3", "#12211d", "#0d5c4b", "#ffffff")
SIGNS = {
    BookingStatus.OFFERED: OFFERED,
    BookingStatus.CONFIRMED: CONFIRMED,
    BookingStatus.CHECKED_IN: CONFIRMED,
    BookingStatus.WAITING: WAITING,
    BookingStatus.ENTERED: WAITING,
}


@dataclass(frozen=True)
class Visit:
    """One booking as a mail tells it: times at the venue, in the active language."""

    status: str
    places: int
    day: str
    short_day: str
    full_day: str
    time: str
    until: str
    be_there: str
    zone: str
    gate: str
    venue: str
    address: str
    getting_in: str
    days_left: int
    number: int | None
    ahead: Ahead | None
    # Of an offer: when it ends, and how long that is from now; empty otherwise.
    deadline: str
    short_deadline: str
    left: str


def words_of(notice: Notice, *, now: datetime) -> dict[str, object]:
    """What the templates speak of. The booking that the notice is about, or else the party's first, is spread out."""
    party = notice.party
    facts = notice.facts
    if notice.kind == NoticeKind.CHANGED:
        facts = changes_to_tell(notice) or facts
    live = _live_bookings(party)
    main = notice.booking or next(iter(live), None)
    other = next(code for code, _name in settings.LANGUAGES if code != party.language)
    visits = {booking.pk: _visit(booking, now=now) for booking in live}
    words: dict[str, object] = {
        "kind": str(notice.kind),
        "sign": _sign(notice, main),
        "tour": str(party.season.tour),
        "bring": _one_line(party.season.tour.identification),
        "wear": _one_line(party.season.tour.clothing),
        "names": names_of(party),
        "people": party.size,
        "code": party.code_in_words,
        "proven": party.is_proven,
        "ended": party.ended_at is not None,
        "visits": list(visits.values()),
        "link": party_link(party),
        "language_code": html_language(party.language),
        "other_link": party_link(party, language=other),
        "other_language": OWN_NAMES.get(other, other),
        "other_language_code": html_language(other),
        "recalled": "recalled" in facts,
        "again": "again" in facts,
        "releases": party.season.releases_silent,
        "changed_names": "names" in facts,
        "changed_size": "size" in facts,
        "visit": None,
    }
    if main is None:
        return words | {"asked_on": _day(party.asked_at, zone=ZoneInfo("UTC"))}
    zone = main.session.venue.zone
    offered_until = _offered_until(notice, main, now=now)
    visit = visits.pop(main.pk, None)
    if visit is None or offered_until:
        visit = _visit(main, now=now, offered_until=offered_until)
    words |= vars(visit) | ending(main)
    words |= {
        "visit": visit,
        "others": list(visits.values()),
        "asked_on": _day(party.asked_at, zone=zone),
        "reason": str(main.session.call_off_reason),
    }
    if party.first_call_until and party.first_call_until > now:
        first_call = _to_the_minute(party.first_call_until)
        words |= {
            "first_call": _moment(first_call, now=now, zone=zone),
            "first_call_left": time_left(first_call, now=now),
        }
    if not party.is_proven:
        prove_by = _to_the_minute(min(party.prove_by or now + PROVE_WITHIN, now + PROVE_WITHIN))
        words |= {
            "prove_by": _moment(prove_by, now=now, zone=zone),
            "prove_by_short": _short_moment(prove_by, now=now, zone=zone),
            "prove_left": time_left(prove_by, now=now),
        }
    if "ends_at" in facts:
        before = datetime.fromisoformat(facts["ends_at"]).astimezone(zone)
        words |= {"ended_before": f"{before:%H:%M}", "ends": f"{main.session.local_end:%H:%M}"}
    if "starts_at" in facts:
        before = datetime.fromisoformat(facts["starts_at"]).astimezone(zone)
        words["before"] = pgettext("a day and a time", "%(day)s, %(time)s") % {
            "day": _date(before, pgettext("date format: Saturday 13 February 2027", "l j F Y")),
            "time": f"{before:%H:%M}",
        }
    return words


def _live_bookings(party: Party) -> list[Booking]:
    """What the party has now: held places first, then its lines in the order of its wishes."""
    # Whoever builds many mails has read all of these at once.
    live = vars(party).get("live_bookings")
    if live is None:
        live = party.bookings.live().select_related("session__venue", "session__season__tour")
    return sorted(live, key=lambda booking: (SHOWN_FIRST.index(BookingStatus(booking.status)), booking.preference))


def _offered_until(notice: Notice, booking: Booking, *, now: datetime) -> datetime | None:
    """A mail about an offer that is over, as hosts see it, still names the deadline that it had."""
    spoke_of_offer = notice.kind in {NoticeKind.PROVE, NoticeKind.OFFER}
    return offer_shown_until(booking, now=now) or (notice.expires_at if spoke_of_offer else None)


def _visit(booking: Booking, *, now: datetime, offered_until: datetime | None = None) -> Visit:
    session, venue = booking.session, booking.session.venue
    start, today = session.local_start, now.astimezone(venue.zone).date()
    ends = offered_until or offer_shown_until(booking, now=now)
    waiting = booking.status == BookingStatus.WAITING
    return Visit(
        status=booking.status,
        places=booking.places,
        day=_date(start, pgettext("date format: Saturday 13 February", "l j F")),
        short_day=_date(start, pgettext("date format: Sat 13 Feb", "D j M")),
        full_day=_date(start, pgettext("date format: Saturday 13 February 2027", "l j F Y")),
        time=f"{start:%H:%M}",
        until=f"{session.local_end:%H:%M}",
        be_there=f"{session.be_there_at:%H:%M}",
        zone=str(venue.time_zone_name) or venue.time_zone,
        gate=str(venue.gate),
        venue=str(venue.name),
        address=_one_line(venue.address),
        getting_in=_one_line(venue.getting_in),
        days_left=(start.date() - today).days,
        number=booking.queue_number if waiting else None,
        ahead=parties_ahead(booking, now=now) if waiting else None,
        deadline=_moment(ends, now=now, zone=venue.zone) if ends else "",
        short_deadline=_short_moment(ends, now=now, zone=venue.zone) if ends else "",
        left=time_left(ends, now=now) if ends else "",
    )


def offer_shown_until(booking: Booking, *, now: datetime) -> datetime | None:
    """The deadline a mail names: whole minutes, never later than the one enforced.

    An offer from sign-up ends 30 minutes after the proof mail was handed over, which is no earlier than now.
    """
    if booking.offer_expires_at is None:
        return None
    ends = booking.offer_expires_at
    if booking.offer_source == OfferSource.SIGN_UP:
        ends = min(ends, now + SIGN_UP_OFFER)
    return _to_the_minute(ends)


def ending(booking: Booking) -> dict[str, object]:
    """Who ended the booking and what it was before: the row alone does not tell."""
    event = next((event for event in reversed(booking.events.all()) if event.to_status == booking.status), None)
    return {
        "by_host": bool(event and event.who.startswith("host")),
        "by_clock": bool(event and event.who == "clock"),
        "why": event.why if event else "",
        "was": event.from_status if event else "",
    }


def _sign(notice: Notice, booking: Booking | None) -> Sign:
    if notice.kind == NoticeKind.IN_LINE and not notice.party.is_proven:
        return OFFERED  # It asks for an answer.
    return SIGNS.get(BookingStatus(booking.status), ENDED) if booking else ENDED


def _moment(at: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """A moment near in time as people say it: 17:40 today. Never tomorrow: a mail may be read on that day."""
    local = at.astimezone(zone)
    words = {"time": f"{local:%H:%M}"}
    if local.date() == now.astimezone(zone).date():
        return pgettext("a moment", "%(time)s today") % words
    day = _date(local, pgettext("date format: Saturday 13 February", "l j F"))
    return pgettext("a moment", "%(time)s on %(day)s") % {**words, "day": day}


def _short_moment(at: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M}"
    day = _date(local, pgettext("date format: Sat 13 Feb", "D j M"))
    return pgettext("a moment", "%(time)s on %(day)s") % {"time": f"{local:%H:%M}", "day": day}


def _day(at: datetime, *, zone: ZoneInfo) -> str:
    return _date(at.astimezone(zone), pgettext("date format: 13 February", "j F"))


def _date(at: datetime, pattern: str) -> str:
    return _day_in_words(at.date(), pattern, translation.get_language())


@lru_cache(maxsize=1_000)
def _day_in_words(day: date, pattern: str, _language: str | None) -> str:
    """Thousands of mails speak of the same few days."""
    return format_date(day, pattern)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _to_the_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def html_language(code: str) -> str:
    return translation.to_locale(code).replace("_", "-")
