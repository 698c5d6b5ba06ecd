"""A party's visit as an iCalendar entry, for mails and for the download on its page; a season's sessions as a calendar
that anybody may subscribe to.

Every entry of a party has one UID and a rising SEQUENCE, so that a later one changes or takes away the earlier one in
the calendar instead of standing beside it; of two with one SEQUENCE the later DTSTAMP counts (RFC 5546, 2.1.5). Times
are written in UTC: no calendar reads a time zone of ours wrongly.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from email.utils import parseaddr
from enum import StrEnum
from urllib.parse import urlsplit

from django.conf import settings
from django.template import Context, Engine
from django.utils.translation import gettext
from icalendar import Calendar, Event, vCalAddress, vDuration

from bookings.models import Booking, House, Season, TourSession, Venue

# How often a calendar that follows a season asks again.
ASK_AGAIN = timedelta(hours=1)


class Method(StrEnum):
    """What a calendar does with the entry (RFC 5546)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"
    PUBLISH = "PUBLISH"


def invitation(booking: Booking, method: Method, *, now: datetime, house: House | None = None) -> bytes:
    """The visit as a calendar file as it is at ``now``, its words in the active language.

    REQUEST and CANCEL are for mails to the party and name it as attendee; PUBLISH is for the download and names nobody.
    Whoever writes many hands in the house.
    """
    calendar = _calendar(method)
    calendar.add_component(_visit(booking, method, now=now, house=house))
    return bytes(calendar.to_ical())


def season_calendar(season: Season, sessions: Iterable[TourSession], *, now: datetime) -> bytes:
    """The sessions of a season for whoever follows it, in the active language: what is public, and nobody's name.

    Written twice on one day it is the same to the byte while nothing has changed. Needs the venue of each session.
    """
    calendar = _calendar(Method.PUBLISH)
    house = House.objects.first()
    name = " · ".join(str(part) for part in (season.tour.title, house) if part)
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", ASK_AGAIN, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(ASK_AGAIN))
    for session in sessions:
        calendar.add_component(_session(session, season, now=now))
    return bytes(calendar.to_ical())


def uid(booking: Booking) -> str:
    return f"{booking.party.code}@{_our_host()}"


def _our_host() -> str:
    return urlsplit(settings.SITE_URL).hostname or ""


def _calendar(method: Method) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", "-//visitor portal//visits//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method.value)
    return calendar


def _visit(booking: Booking, method: Method, *, now: datetime, house: House | None) -> Event:
    session, venue, party = booking.session, booking.session.venue, booking.party
    event = Event()
    event.add("uid", uid(booking))
    event.add("sequence", party.calendar_sequence)
    event.add("dtstamp", now)
    event.add("dtstart", session.starts_at)
    event.add("dtend", session.ends_at)
    event.add("summary", str(session.season.tour.title))
    event.add("location", _place(venue))
    event.add("description", _description(booking))
    event.add("status", "CANCELLED" if method == Method.CANCEL else "CONFIRMED")
    event.add("transp", "OPAQUE")
    if method != Method.PUBLISH:
        event.add("organizer", _organizer(house or House.objects.first()))
        event.add("attendee", _attendee(party.email))
    return event


def _session(session: TourSession, season: Season, *, now: datetime) -> Event:
    """One that is called off stays in the list: a calendar that asks again learns of it and strikes it out."""
    changed_at = session.called_off_at or session.moved_at
    called_off = bool(session.called_off_at)
    title = " · ".join(str(part) for part in (season.tour.title, session.label) if str(part))
    address = settings.SITE_URL.rstrip("/") + session.get_absolute_url()
    told = [str(session.call_off_reason)] if called_off else [gettext("Free places and sign-up:")]
    event = Event()
    event.add("uid", f"session-{session.pk}@{_our_host()}")
    event.add("sequence", session.calendar_sequence)
    event.add("dtstamp", _stamp(changed_at, now=now))
    if changed_at:
        event.add("last-modified", changed_at)
    event.add("dtstart", session.starts_at)
    event.add("dtend", session.ends_at)
    event.add("summary", gettext("Called off: %(session)s") % {"session": title} if called_off else title)
    event.add("location", _place(session.venue))
    event.add("description", "\n".join([*filter(None, told), address]))
    event.add("url", address)
    event.add("status", "CANCELLED" if called_off else "CONFIRMED")
    event.add("transp", "TRANSPARENT")  # Who follows a season is not busy at its sessions.
    return event


def _stamp(changed_at: datetime | None, *, now: datetime) -> datetime:
    """The day on which the entry was written, or the later change: never earlier for what is newer, and the same all
    day, so that who asks again is told that nothing has changed."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return max(midnight, changed_at or midnight)


def _organizer(house: House | None) -> vCalAddress:
    name, address = parseaddr(settings.MAIL_FROM)
    organizer = vCalAddress(f"mailto:{address}")
    organizer.params["CN"] = _one_line(str(house) if house else name or address)
    return organizer


def _attendee(email: str) -> vCalAddress:
    """The party has said yes on its page: its calendar need not ask again."""
    attendee = vCalAddress(f"mailto:{email}")
    attendee.params["PARTSTAT"] = "ACCEPTED"
    attendee.params["RSVP"] = "FALSE"
    return attendee


def _place(venue: Venue) -> str:
    return _one_line(f"{venue.gate}, {venue.name}, {venue.address}")


def _description(booking: Booking) -> str:
    words = {
        "be_there": f"{booking.session.be_there_at:%H:%M}",
        "zone": str(booking.session.venue.time_zone_name) or booking.session.venue.time_zone,
        "gate": str(booking.session.venue.gate),
        "places": booking.places,
        "code": booking.party.code_in_words,
    }
    template = Engine.get_default().get_template("emails/_calendar.txt")
    return template.render(Context(words, autoescape=False)).strip()


def _one_line(text: str) -> str:
    return " ".join(text.replace('"', "").split())
