"""The seasons that visitors want: rows written by the suite's own factories, for a time that is now."""

from datetime import timedelta
from typing import NamedTuple

import psycopg
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


class Ledger(NamedTuple):
    """Of all sessions at one moment. ``refusing`` are those whose limits are reached, or where somebody had to wait."""

    places: int
    parties_in_line: int
    refusing: set[int]


class Ledgers:
    """Looks at them over a connection of its own, so that Django's stays with the thread that made it."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)

    def read(self) -> Ledger:
        rows = self._connection.execute(
            "SELECT id, places_held, next_queue_number - 1,"
            " places_held >= sell_limit OR parties_held >= max_parties OR next_queue_number > 1"
            " FROM bookings_toursession"
        ).fetchall()
        refusing = {pk for pk, _places, _waiting, is_refusing in rows if is_refusing}
        return Ledger(sum(row[1] for row in rows), sum(row[2] for row in rows), refusing)

    def close(self) -> None:
        self._connection.close()
