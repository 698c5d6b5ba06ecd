"""What a page for everybody asks of the database when it is made: the same for two sessions and for twenty-four."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings.models import BookingStatus
from tests.factories import HOUR, NOON, START, make_booking, make_season, make_session

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]

AROUND = 2  # the house, and the tour that is shown first
COSTS = {
    "/en/": 3 + AROUND,  # seasons, sessions, places offered
    "/en/sessions/{open}/": 2 + AROUND,  # the session, its places offered
    "/en/sessions/{closed}/": 3 + AROUND,  # the session, the others, their places offered
    "/en/sessions/{closed}/sign-up/": 4 + AROUND,  # the season's sessions, its consents, the others, places offered
    "/en/sessions/{open}/asked/": 1 + AROUND,
    "/en/sessions/999999/": 3 + AROUND,
    "/en/tours/{tour}/": 4 + AROUND,  # the tour, its stops, its venues, seasons
    "/en/seasons/{season}/calendar.ics": 3,  # the season, its sessions, the house
    "/en/privacy/": AROUND,
    "/en/link/asked/": AROUND,
}


@pytest.mark.parametrize("sessions", [2, 24])
def test_a_page_for_everybody_asks_as_much_however_many_sessions_there_are(client, sessions):
    season = make_season()
    for number in range(sessions):
        session = make_session(season=season, starts_at=START + number * HOUR, capacity=12)
        make_booking(session, BookingStatus.OFFERED)
    closed = make_session(season=season, closed_at=NOON)
    names = {"open": session.pk, "closed": closed.pk, "tour": season.tour.slug, "season": season.pk}
    assert {address: queries(client, address.format(**names)) for address in COSTS} == COSTS


def queries(client, address):
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    return len(captured)
