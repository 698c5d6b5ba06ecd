from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models import QuerySet

from bookings.models import Heartbeat
from tests.factories import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def clock_seen(seconds_ago):
    Heartbeat.objects.create(name="clock", seen_at=NOON - timedelta(seconds=seconds_ago))


def answer(response):
    return response.status_code, response.content.decode(), response["Content-Type"].partition(";")[0]


def test_well_is_a_database_that_answers_and_a_clock_that_ticks(client):
    clock_seen(12)
    assert answer(client.get("/healthz")) == (200, "database: ok\nclock: 12 s ago\n", "text/plain")
    assert answer(client.get("/healthz/clock")) == (200, "clock: 12 s ago\n", "text/plain")


def test_a_clock_that_stands_still_is_told_but_takes_no_page_away(client):
    clock_seen(120)
    assert answer(client.get("/healthz")) == (200, "database: ok\nclock: 120 s ago (stands still)\n", "text/plain")
    assert answer(client.get("/healthz/clock")) == (503, "clock: 120 s ago (stands still)\n", "text/plain")


def test_a_clock_never_seen_is_not_well(client):
    assert answer(client.get("/healthz")) == (200, "database: ok\nclock: never seen\n", "text/plain")
    assert answer(client.get("/healthz/clock"))[0] == 503


@pytest.mark.parametrize("address", ["/healthz", "/healthz/clock"])
def test_a_database_that_does_not_answer_is_ill(client, monkeypatch, address):
    def no_answer(_queryset):
        raise OperationalError

    monkeypatch.setattr(QuerySet, "first", no_answer)
    assert answer(client.get(address)) == (503, "database: no answer\n", "text/plain")


def test_nobody_keeps_the_answer(client):
    assert "no-store" in client.get("/healthz")["Cache-Control"]
