from datetime import datetime

import icalendar
import pytest
import vobject
from pytest_django import Settings

from bookings.calendars import Method, invitation
from bookings.models import Booking
from tests.factories import HOUR, NOON, START, make_booking, make_house, make_session

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def our_addresses(settings: Settings) -> None:
    settings.SITE_URL = "https://visits.works.example"
    settings.MAIL_FROM = "visits@works.example"


def event_of(booking: Booking, method: Method, *, now: datetime = NOON) -> icalendar.Event:
    calendar = icalendar.Calendar.from_ical(invitation(booking, method, now=now))
    assert calendar["METHOD"] == method
    [event] = calendar.walk("VEVENT")
    assert isinstance(event, icalendar.Event)
    return event


@pytest.mark.parametrize("method", Method)
def test_two_parsers_read_the_same(method: Method) -> None:
    make_house()
    booking = make_booking()

    event = event_of(booking, method)
    other = vobject.readOne(invitation(booking, method, now=NOON).decode()).vevent

    assert event.start == other.dtstart.value == START
    assert event.end == other.dtend.value == START + 2 * HOUR
    assert str(event["UID"]) == other.uid.value == f"{booking.party.code}@visits.works.example"
    assert str(event["SUMMARY"]) == other.summary.value == "How a car is made"
    assert str(event["LOCATION"]) == other.location.value == "Gate 3, Northgate Works, 18 Foundry Road"
    assert str(event["DESCRIPTION"]) == other.description.value
    assert "Be there by 09:15 (Beijing time), Gate 3." in other.description.value


def test_times_are_written_in_utc() -> None:
    file = invitation(make_booking(), Method.REQUEST, now=NOON).decode()

    assert "DTSTART:20270213T013000Z" in file
    assert "VTIMEZONE" not in file


def test_the_entry_keeps_its_uid_and_counts_up_over_sessions() -> None:
    booking = make_booking()
    before = event_of(booking, Method.REQUEST)

    booking.party.calendar_sequence += 1
    moved = make_session(season=booking.session.season, starts_at=START + HOUR)
    booking.session = moved
    after = event_of(booking, Method.REQUEST)

    assert (before["UID"], before["SEQUENCE"], before.start) == (after["UID"], 0, START)
    assert (after["SEQUENCE"], after.start) == (1, START + HOUR)


def test_what_is_written_later_says_so_also_under_the_same_number() -> None:
    """Of two entries with one SEQUENCE a calendar keeps the one with the later DTSTAMP."""
    booking = make_booking()

    stamps = [
        (str(event["SEQUENCE"]), event.stamp)
        for method, now in [(Method.REQUEST, NOON), (Method.PUBLISH, NOON + HOUR), (Method.CANCEL, NOON + 2 * HOUR)]
        for event in [event_of(booking, method, now=now)]
    ]

    assert stamps == [("0", NOON), ("0", NOON + HOUR), ("0", NOON + 2 * HOUR)]


def test_an_invitation_names_the_house_and_the_party() -> None:
    make_house()
    booking = make_booking(email="lin@visitors.example")

    event = event_of(booking, Method.REQUEST)

    assert event["ORGANIZER"] == "mailto:visits@works.example"
    assert event["ORGANIZER"].params["CN"] == "Northgate Car Works"
    assert event["ATTENDEE"] == "mailto:lin@visitors.example"
    assert event["STATUS"] == "CONFIRMED"


def test_a_cancelled_visit_is_taken_out() -> None:
    assert event_of(make_booking(), Method.CANCEL)["STATUS"] == "CANCELLED"


def test_the_download_names_nobody() -> None:
    event = event_of(make_booking(), Method.PUBLISH)

    assert "ATTENDEE" not in event
    assert "ORGANIZER" not in event
