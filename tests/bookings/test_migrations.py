"""A database with data in it is brought up to date."""

import uuid
from collections.abc import Iterator
from datetime import time, timedelta
from itertools import count
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from bookings.domain.reminders import plan_reminders
from bookings.models import Booking, Notice, ReminderPlan, Season
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_season, make_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def before_waitlist() -> Iterator[Any]:
    yield from models_at("0001_initial")


@pytest.fixture
def before_plans() -> Iterator[Any]:
    yield from models_at("0003_first_call")


def models_at(migration: str) -> Iterator[Any]:
    """The models as they were then; afterwards the database is empty and up to date."""
    executor = MigrationExecutor(connection)
    executor.migrate([("bookings", migration)])
    yield executor.loader.project_state([("bookings", migration)]).apps
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


def test_days_of_reminders_become_plans_and_what_was_owed_is_not_owed_again(before_plans):
    old = {name: before_plans.get_model("bookings", name).objects for name in ("Tour", "Season")}
    tour = old["Tour"].create(slug="tour", title="Tour", minimum_age=6)
    now = timezone.now()
    open_since, not_yet, _silent = (
        old["Season"].create(tour=tour, title="Spring", opens_at=opens_at, closes_at=now + 90 * DAY, reminder_days=days)
        for opens_at, days in [(now - DAY, [1, 7, 7]), (now + DAY, [2]), (now - DAY, [])]
    )
    begun = timezone.now()

    up_to_date()

    plans = ReminderPlan.objects.order_by("pk")
    assert [(plan.season_id, str(plan), plan.since) for plan in plans[:2]] == [
        (open_since.pk, "7 days before", now - DAY),
        (open_since.pk, "1 day before", now - DAY),
    ]
    [later] = plans[2:]
    assert (later.season_id, str(later), begun <= later.since <= timezone.now()) == (not_yet.pk, "2 days before", True)
    season = Season.objects.get(pk=open_since.pk)
    booking = make_booking(make_session(season=season, starts_at=now + DAY - HOUR), status_since=now - DAY + HOUR)
    starts_at = booking.session.starts_at.isoformat()
    Notice.objects.create(
        kind="reminder",
        party=booking.party,
        booking=booking,
        dedupe_key=f"reminder:{booking.pk}:{starts_at}:1",
        facts={"starts_at": starts_at, "days": 1},
        **{"lane": 3, "status": "sent", "sent_at": now, "created_at": now, "next_attempt_at": now},
    )
    assert plan_reminders(now=now) == 0


def test_plans_become_days_again_where_a_release_is_taken_back(before_plans):
    up_to_date()
    season = make_season(reminders=[{"days": 1}, {"days": 7}, {"days": 1, "at": time(18)}, {"hours": 2}])

    executor = MigrationExecutor(connection)
    executor.migrate([("bookings", "0003_first_call")])

    old = before_plans.get_model("bookings", "Season").objects
    assert old.get(pk=season.pk).reminder_days == [7, 1]
