"""However long its lines are, a party's page costs the same: queries, and rows and pages read."""

from functools import partial

import pytest
from django.test import Client

from bookings.models import Decision, DecisionReason, DecisionTrigger, Party
from tests.costs import Cost, analyze, assert_bounded, cost_of
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_season, make_session
from tests.long_lines import fill_line
from tests.portal.visits import address, enter

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.usefixtures("clock", "house")]

SHORT, LONG = 100, 10_000


def test_the_page_of_the_first_the_second_and_the_last_costs_the_same_in_three_lines_of_ten_thousand(client):
    costs = []
    for waiting in (SHORT, LONG):
        parties = in_three_lines(waiting)
        costs.append([cost_of_page(client, parties[place]) for place in (0, 1, -1)])
    for short, long in zip(*costs, strict=True):
        assert_bounded(long, short=short, fronts=3)


def in_three_lines(waiting: int) -> list[Party]:
    """So many parties wait for the same three sessions, of which each has served its line often."""
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
    return parties


def cost_of_page(client: Client, party: Party) -> Cost:
    enter(client, party)
    return cost_of(partial(read_page, client, party))


def read_page(client: Client, party: Party) -> None:
    assert client.get(address(party)).status_code == 200
