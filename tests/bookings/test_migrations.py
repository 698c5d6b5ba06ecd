"""A database with data in it is brought up to date."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from bookings.models import Booking
from tests.factories import DAY, HOUR, NOON, START

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def before_waitlist() -> Iterator[Any]:
    """The models as they were before the waitlist came; afterwards the database is empty and up to date."""
    executor = MigrationExecutor(connection)
    executor.migrate([("bookings", "0001_initial")])
    yield executor.loader.project_state([("bookings", "0001_initial")]).apps
    call_command("flush", verbosity=0, interactive=False)
    up_to_date()


def up_to_date() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_bookings_made_before_stand_in_line_as_new_ones_do(before_waitlist):
    old = {name: before_waitlist.get_model("bookings", name).objects for name in ("Party", "Booking", "TourSession")}
    tour = before_waitlist.get_model("bookings", "Tour").objects.create(slug="tour", title="Tour", minimum_age=6)
    venue = before_waitlist.get_model("bookings", "Venue").objects.create(name="Works", time_zone="UTC")
    seasons = before_waitlist.get_model("bookings", "Season").objects
    season = seasons.create(tour=tour, title="Spring", opens_at=NOON - DAY, closes_at=START)
    one, other = (
        old["TourSession"].create(
            season=season,
            venue=venue,
            starts_at=START,
            ends_at=START + HOUR,
            roster_locks_at=START - timedelta(days=2),
            **dict.fromkeys(("capacity", "max_parties", "sell_limit"), 60),
        )
        for _session in range(2)
    )
    numbers = count(1)

    def party(**given: Any) -> Any:
        values = {"size": 3, "smallest_size": 2, "short_notice": True, "mailbox_proven_at": NOON, "asked_at": NOON}
        keys = {"code": uuid.uuid4().hex[:8], "submission_key": uuid.uuid4()}
        return old["Party"].create(season=season, language="en", **values | keys | given)

    def book(party: Any, session: Any, status: str, **given: Any) -> int:
        values = {"places": party.size, "status_since": NOON, "queue_number": next(numbers)}
        booking = old["Booking"].create(party=party, session=session, status=status, **values | given)
        return int(booking.pk)

    weighs = party()
    bookings = {
        book(party(), one, "waiting"): (True, 2, True),
        book(party(mailbox_proven_at=None), one, "waiting"): (False, 2, True),
        book(weighs, one, "offered", offer_expires_at=START): (False, 2, True),
        book(weighs, other, "waiting"): (False, 2, True),
        book(party(size=1, smallest_size=1, short_notice=False), one, "confirmed"): (False, 1, False),
    }

    up_to_date()

    told = Booking.objects.order_by("pk").values_list("pk", "in_line", "least", "short_notice")
    assert {pk: tuple(values) for pk, *values in told} == bookings
