"""An outbox that is at work while the code changes under it."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from bookings.models import Notice
from tests.factories import DAY, NOON, START
from tests.owed import MINUTE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def before() -> Iterator[Any]:
    executor = MigrationExecutor(connection)
    executor.migrate([("bookings", "0003_first_call")])
    yield executor.loader.project_state([("bookings", "0003_first_call")]).apps
    call_command("flush", verbosity=0, interactive=False)
    up_to_date()


def up_to_date() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_what_was_on_its_way_may_have_left_and_what_waited_has_not(before):
    tour = before.get_model("bookings", "Tour").objects.create(slug="tour", title="Tour", minimum_age=6)
    season = before.get_model("bookings", "Season").objects.create(
        tour=tour, title="Spring", opens_at=NOON - DAY, closes_at=START
    )
    values = {"size": 1, "smallest_size": 1, "asked_at": NOON, "language": "en"}
    party = before.get_model("bookings", "Party").objects.create(
        season=season, code="BCDFGHJK", submission_key=uuid.uuid4(), **values
    )
    notices = before.get_model("bookings", "Notice").objects
    for status, given in {
        "queued": {},
        "sending": {"lease_until": NOON + MINUTE},
        "sent": {"sent_at": NOON + MINUTE},
    }.items():
        owed = {"kind": "link", "lane": 1, "dedupe_key": status, "created_at": NOON, "next_attempt_at": NOON}
        notices.create(party=party, status=status, **owed, **given)

    up_to_date()

    told = Notice.objects.order_by("pk").values_list("status", "next_attempt_at", "begun_at", "times_begun")
    assert list(told) == [
        ("queued", NOON, None, 0),
        ("sending", NOON + MINUTE, NOON - MINUTE, 1),
        ("sent", NOON, NOON + MINUTE, 1),
    ]
