from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models import QuerySet

from bookings import outbox
from bookings.models import Breaker, Heartbeat, Lane, NoticeKind
from tests.factories import NOON, make_party

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


@pytest.mark.parametrize("address", ["/healthz", "/healthz/clock", "/healthz/mail"])
def test_a_database_that_does_not_answer_is_ill(client, monkeypatch, address):
    def no_answer(_queryset):
        raise OperationalError

    monkeypatch.setattr(QuerySet, "first", no_answer)
    assert answer(client.get(address)) == (503, "database: no answer\n", "text/plain")


def test_nobody_keeps_the_answer(client):
    assert "no-store" in client.get("/healthz")["Cache-Control"]


@pytest.mark.parametrize(
    ("seconds", "status", "told"),
    [(None, 200, "nothing waits"), (90, 200, "waits 90 s"), (150, 503, "waits 150 s (late)")],
)
def test_mail_is_well_while_no_lane_waits_too_long(client, seconds, status, told):
    clock_seen(12)
    if seconds:
        outbox.post(NoticeKind.LINK, make_party(), key="1", now=NOON - timedelta(seconds=seconds))
    lanes = {lane.name.lower(): "nothing waits" for lane in Lane} | {"offer": told}
    lines = ["clock: 12 s ago", "mail server: ok", *(f"{lane}: {words}" for lane, words in lanes.items())]
    assert answer(client.get("/healthz/mail")) == (status, "\n".join(lines) + "\n", "text/plain")


def test_mail_is_ill_when_the_server_takes_nothing_or_the_clock_stands_still(client):
    clock_seen(12)
    outbox.post(NoticeKind.LINK, make_party(), key="1", now=NOON)
    Breaker.objects.create(pk=1, opened_at=NOON - timedelta(minutes=3), probe_at=NOON)
    status, told, _type = answer(client.get("/healthz/mail"))
    assert (status, told.splitlines()[1]) == (503, "mail server: takes nothing")

    Breaker.objects.update(opened_at=None)
    Heartbeat.objects.update(seen_at=NOON - timedelta(minutes=2))
    status, told, _type = answer(client.get("/healthz/mail"))
    assert (status, told.splitlines()[0]) == (503, "clock: 120 s ago (stands still)")
