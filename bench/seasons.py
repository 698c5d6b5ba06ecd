"""The seasons that visitors want: rows written by the suite's own factories, for a time that is now."""

from collections.abc import Sequence
from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone

from bookings.models import TourSession
from tests.factories import DAY, make_house, make_season, make_session, make_tour, make_venue

# The rush of the car factory: 16 sessions of 60 places and 20 parties.
RUSH = {"sessions": 16, "capacity": 60, "max_parties": 20}


def fresh_season(*, sessions: int, capacity: int, max_parties: int, sell_limit: int | None = None) -> list[TourSession]:
    """One season that is open for sign-up, and nothing else in the database."""
    call_command("flush", interactive=False, verbosity=0)
    make_house()
    now = timezone.now()
    season = make_season(tour=make_tour(), opens_at=now - timedelta(hours=1), closes_at=now + 60 * DAY)
    venue = make_venue()
    return [
        make_session(
            season=season,
            venue=venue,
            starts_at=now + timedelta(days=30 + number // 4, hours=number % 4 * 2),
            capacity=capacity,
            max_parties=max_parties,
            sell_limit=capacity if sell_limit is None else sell_limit,
        )
        for number in range(sessions)
    ]


def places_over_time(sessions: Sequence[TourSession]) -> tuple[int, int, list[int]]:
    """Places held, parties waiting, and the sessions that have no room for one more person, by their ledgers."""
    rows = TourSession.objects.filter(pk__in=[session.pk for session in sessions])
    places = waiting = 0
    full = []
    for row in rows:
        places += row.places_held
        waiting += row.parties_waiting
        if row.places_held >= row.sell_limit or row.parties_held >= row.max_parties or row.parties_waiting:
            full.append(row.pk)
    return places, waiting, full
