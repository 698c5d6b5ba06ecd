"""A party's visit as an iCalendar entry, for mails and for the download on its page.

Every entry of a party has one UID and a rising SEQUENCE, so that a later one changes or takes away the earlier one in
the calendar instead of standing beside it. Times are written in UTC: no calendar reads a time zone of ours wrongly.
"""

from email.utils import parseaddr
from enum import StrEnum
from urllib.parse import urlsplit

from django.conf import settings
from django.template import Context, Engine
from icalendar import Calendar, Event, vCalAddress

from bookings.models import Booking, House


class Method(StrEnum):
    """What a calendar does with the entry (RFC 5546)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"
    PUBLISH = "PUBLISH"


def invitation(booking: Booking, method: Method) -> bytes:
    """The visit as a calendar file, its words in the active language.

    REQUEST and CANCEL are for mails to the party and name it as attendee; PUBLISH is for the download and names nobody.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//visitor portal//visits//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method.value)
    calendar.add_component(_event(booking, method))
    return bytes(calendar.to_ical())


def uid(booking: Booking) -> str:
    return f"{booking.party.code}@{urlsplit(settings.SITE_URL).hostname}"


def _event(booking: Booking, method: Method) -> Event:
    session, venue, party = booking.session, booking.session.venue, booking.party
    event = Event()
    event.add("uid", uid(booking))
    event.add("sequence", party.calendar_sequence)
    event.add("dtstamp", booking.status_since)
    event.add("dtstart", session.starts_at)
    event.add("dtend", session.ends_at)
    event.add("summary", str(session.season.tour.title))
    event.add("location", _one_line(f"{venue.gate}, {venue.name}, {venue.address}"))
    event.add("description", _description(booking))
    event.add("status", "CANCELLED" if method == Method.CANCEL else "CONFIRMED")
    event.add("transp", "OPAQUE")
    if method != Method.PUBLISH:
        event.add("organizer", _organizer())
        event.add("attendee", _attendee(party.email))
    return event


def _organizer() -> vCalAddress:
    name, address = parseaddr(settings.MAIL_FROM)
    house = House.objects.first()
    organizer = vCalAddress(f"mailto:{address}")
    organizer.params["CN"] = _one_line(str(house) if house else name or address)
    return organizer


def _attendee(email: str) -> vCalAddress:
    """The party has said yes on its page: its calendar need not ask again."""
    attendee = vCalAddress(f"mailto:{email}")
    attendee.params["PARTSTAT"] = "ACCEPTED"
    attendee.params["RSVP"] = "FALSE"
    return attendee


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
