"""The calendar of a season that anybody may subscribe to."""

from datetime import timedelta

import icalendar
import pytest
import vobject
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings.domain import sessions
from bookings.models import TourSession
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    both,
    make_booking,
    make_house,
    make_season,
    make_session,
    make_waiting,
)
from tests.portal.pages import links, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
REPAIR = both("The lift is being repaired.", "升降台检修。")


@pytest.fixture(autouse=True)
def our_address(settings):
    settings.SITE_URL = "https://visits.works.example"


def address(season, language="en"):
    return f"/{language}/seasons/{season.pk}/calendar.ics"


def move(session, to, *, now=NOON):
    sessions.move(
        session.pk, starts_at=to, ends_at=to + 2 * HOUR, roster_locks_at=to - 2 * DAY, now=now, who="host:lin"
    )


def entries(client, season, language="en"):
    """What every session of the feed is told as."""
    calendar = icalendar.Calendar.from_ical(client.get(address(season, language)).content)
    return [
        (str(event["UID"]), int(str(event["SEQUENCE"])), str(event["STATUS"]), event.start, str(event["SUMMARY"]))
        for event in calendar.walk("VEVENT")
        if isinstance(event, icalendar.Event)
    ]


def test_a_session_moved_and_called_off_keeps_its_entry_and_counts_on(client):
    first, second = (make_session(season=season) for season in [make_season()] * 2)
    season = first.season
    line = "How a car is made"
    uids = [f"session-{session.pk}@visits.works.example" for session in (first, second)]
    assert entries(client, season) == [
        (uids[0], 0, "CONFIRMED", START, line),
        (uids[1], 0, "CONFIRMED", START, line),
    ]

    move(first, START + DAY)
    assert entries(client, season) == [
        (uids[1], 0, "CONFIRMED", START, line),
        (uids[0], 1, "CONFIRMED", START + DAY, line),
    ]

    sessions.call_off(first.pk, reason=REPAIR, now=NOON + HOUR, who="host:lin")
    assert entries(client, season) == [
        (uids[1], 0, "CONFIRMED", START, line),
        (uids[0], 2, "CANCELLED", START + DAY, f"Called off: {line}"),
    ]


def test_another_moment_of_the_roster_alone_is_no_change_of_the_entry():
    session = make_session()
    sessions.move(
        session.pk,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        roster_locks_at=START - DAY,
        now=NOON,
        who="host:lin",
    )

    session.refresh_from_db()
    assert (session.moved_at, session.calendar_sequence) == (None, 0)


def test_two_parsers_read_the_same(client):
    make_house()
    session = make_session(label=both("New Year · day 5", "新春 · 初五"))
    move(session, START + DAY)
    text = client.get(address(session.season)).content.decode()

    calendar, other = icalendar.Calendar.from_ical(text), vobject.readOne(text)
    [event] = calendar.walk("VEVENT")
    assert isinstance(event, icalendar.Event)

    assert calendar["METHOD"] == other.method.value == "PUBLISH"
    assert calendar["NAME"] == calendar["X-WR-CALNAME"] == "How a car is made · Northgate Car Works"
    assert event.start == other.vevent.dtstart.value == START + DAY
    assert event.end == other.vevent.dtend.value == START + DAY + 2 * HOUR
    assert str(event["UID"]) == other.vevent.uid.value == f"session-{session.pk}@visits.works.example"
    assert str(event["SUMMARY"]) == other.vevent.summary.value == "How a car is made · New Year · day 5"
    assert str(event["LOCATION"]) == other.vevent.location.value == "Gate 3, Northgate Works, 18 Foundry Road"
    page = f"https://visits.works.example/en/sessions/{session.pk}/"
    assert str(event["DESCRIPTION"]) == other.vevent.description.value == f"Free places and sign-up:\n{page}"
    assert event.stamp == other.vevent.dtstamp.value == NOON
    assert other.vevent.last_modified.value == NOON


def test_it_asks_calendars_to_come_back_every_hour_in_the_form_they_all_read(client):
    text = client.get(address(make_session().season)).content.decode()

    assert "REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in text
    assert "X-PUBLISHED-TTL:PT1H\r\n" in text


def test_it_speaks_the_language_of_its_address(client):
    session = make_session()
    sessions.call_off(session.pk, reason=REPAIR, now=NOON, who="host:lin")

    answer = client.get(address(session.season, "zh-hans"))

    [event] = icalendar.Calendar.from_ical(answer.content).walk("VEVENT")
    page = f"https://visits.works.example/zh-hans/sessions/{session.pk}/"
    assert str(event["DESCRIPTION"]) == f"升降台检修。\n{page}"
    assert "一辆车的诞生" in str(event["SUMMARY"])
    assert "Vary" not in answer.headers or "Cookie" not in answer.headers["Vary"]


def test_it_holds_nothing_of_any_party(client):
    make_house()
    session = make_session(capacity=4)
    parties = [make_booking(session).party, make_waiting(session, size=3).party]

    text = client.get(address(session.season)).content.decode().replace("\r\n ", "")

    assert "ATTENDEE" not in text
    assert "ORGANIZER" not in text
    secrets = [secret for party in parties for secret in (party.email, party.lead_name, party.code, party.link_token)]
    assert [secret for secret in secrets if secret in text] == []


def test_caches_may_keep_it_and_whoever_has_it_is_told_so(client, clock):
    season = make_session().season
    first = client.get(address(season))
    assert (first.headers["Cache-Control"], first.cookies) == ("public, max-age=300", {})

    clock(NOON + 11 * HOUR)
    again = client.get(address(season), headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])


def test_what_changed_is_sent_anew_with_a_later_stamp(client, clock):
    session = make_session()
    first = client.get(address(session.season))
    move(session, START + DAY, now=NOON + HOUR)

    again = client.get(address(session.season), headers={"If-None-Match": first.headers["ETag"]})

    stamps = [icalendar.Calendar.from_ical(answer.content).walk("VEVENT")[0].stamp for answer in (first, again)]
    assert stamps == [NOON - 12 * HOUR, NOON + HOUR]

    clock(NOON + DAY)
    [event] = icalendar.Calendar.from_ical(client.get(address(session.season)).content).walk("VEVENT")
    assert event.stamp == NOON + DAY - 12 * HOUR, "never earlier than before"


@pytest.mark.parametrize("published", [False, True])
def test_only_a_published_season_has_one(client, published):
    season = make_session(season=make_season(published=published)).season

    assert client.get(address(season)).status_code == (200 if published else 404)


def test_it_asks_the_database_as_much_for_sixty_sessions_as_for_two(client):
    def queries(count):
        season = make_season()
        for number in range(count):
            make_session(season=season, starts_at=START + number * DAY)
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(address(season))
        assert answer.content.count(b"BEGIN:VEVENT") == count
        return len(captured)

    assert (queries(2), queries(60)) == (3, 3)


def test_a_session_that_is_over_stays_in_the_calendars_that_follow(client, clock):
    session = make_session()
    clock(START + timedelta(days=3))

    assert len(entries(client, session.season)) == TourSession.objects.count() == 1


def test_the_page_of_the_season_leads_to_it_in_both_ways(client):
    season = make_session().season

    page = client.get("/en/")

    host = "//visits.works.example"
    assert [link for link in links(page) if link.endswith(".ics")] == [
        f"webcal:{host}{address(season)}",
        f"https:{host}{address(season)}",
    ]
    assert (
        "Show these dates in your calendar : How a car is made When a session is moved or called off, your calendar"
        " shows it by itself. It does not sign your party up." in words(page)
    )
