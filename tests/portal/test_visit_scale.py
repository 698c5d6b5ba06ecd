"""However long its lines are, a party's page costs the same: queries, and rows and pages read."""

from functools import partial

import pytest
from django.test import Client

from bookings.models import Decision, DecisionReason, DecisionTrigger, Party
from tests.costs import analyze, assert_bounded, cost_of
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_season, make_session
from tests.long_lines import fill_line
from tests.portal.visits import address, enter

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.usefixtures("clock", "house")]

SHORT, LONG = 100, 10_000


@pytest.mark.parametrize("place", [0, 1, -1], ids=["first", "second", "last"])
def test_the_page_of_a_party_costs_the_same_in_three_lines_of_ten_thousand(client, place):
    costs = []
    for waiting in (SHORT, LONG):
        party = in_three_lines(waiting, place=place)
        enter(client, party)
        costs.append(cost_of(partial(read_page, client, party)))
    short, long = costs
    assert_bounded(long, short=short, fronts=3)


def in_three_lines(waiting: int, *, place: int) -> Party:
    """One of so many parties that wait for the same three sessions, of which each has served its line often."""
    season = make_season(opens_at=NOON - 9 * DAY)
    sessions = [make_session(season=season, starts_at=START + number * DAY) for number in range(3)]
    for session in sessions:
        make_booking(session, size=60)
        Decision.objects.bulk_create(
            Decision(
                session=session,
                decided_at=NOON - number * HOUR,
                trigger=DecisionTrigger.SCAN,
                places_free=2,
                parties_free=1,
                reason=DecisionReason.NO_FIT,
            )
            for number in range(waiting // 10)
        )
    parties = fill_line(sessions, parties=waiting)
    analyze()
    return parties[place]


def read_page(client: Client, party: Party) -> None:
    assert client.get(address(party)).status_code == 200
