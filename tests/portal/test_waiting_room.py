"""The room in front of the sign-up form: who is let in, who stands where, and what holds when the line is lost."""

import re
import uuid
from datetime import timedelta
from http.cookies import SimpleCookie

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings.models import Booking
from portal import shared
from portal.waiting_room import line, middleware, pace
from portal.waiting_room.tickets import place_of, seconds
from tests.factories import HOUR, NOON, make_house, make_season, make_session
from tests.portal.pages import words

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def room(settings):
    """On our own clock, which the tests move."""
    settings.WAITING_ROOM = "auto"
    shared.ask(lambda redis: redis.flushdb(), otherwise=None)
    middleware.doors.forget()
    middleware.pages.forget()
    middleware.load.take()
    yield
    shared.ask(lambda redis: redis.flushdb(), otherwise=None)
    middleware.doors.forget()


@pytest.fixture
def session(db, clock):
    make_house()
    return make_session()


@pytest.fixture
def before(db, clock):
    """A session of a season that opens at noon; the clock stands ten minutes before."""
    make_house()
    clock(NOON - 10 * MINUTE)
    return make_session(season=make_season(opens_at=NOON))


def path(session, language="en"):
    return f"/{language}/sessions/{session.pk}/sign-up/"


def answers(**given):
    return {
        "size": "1",
        "lead_name": "Lin Xiaoyun",
        "lead_age": "18-",
        "email": "xiaoyun@visitors.example",
        "submission_key": str(uuid.uuid4()),
    } | given


def kind(response):
    """What a visitor got, in a word or two: the form, or the head of the page of the room."""
    if 'name="lead_name"' in response.content.decode():
        return "form"
    found = re.search(r'<h1 id="state">(.*?)</h1>', response.content.decode())
    return found[1] if found else response.status_code


def visitor(number=0):
    """Each from a network of its own."""
    return Client(REMOTE_ADDR=f"203.{number // 250}.{number % 250}.7")


def nobody_is_let_in():
    """The pace is used up for the moment: whoever comes now waits."""
    shared.ask(
        lambda redis: redis.hset(line.PACE, mapping={"pace": 1, "credit": 0, "ticked": seconds(NOON)}), otherwise=None
    )


def test_a_quiet_site_has_no_room(session):
    assert [kind(visitor(number).get(path(session))) for number in range(5)] == ["form"] * 5


def test_more_than_are_let_in_at_a_time_wait_in_the_order_in_which_they_came(session, clock):
    nobody_is_let_in()
    first, second, third = visitor(1), visitor(2), visitor(3)
    got = []
    for waits, who in enumerate([first, second, third]):
        clock(NOON + waits * SECOND / 10)
        got.append(kind(who.get(path(session))))
    assert got == ["You are next", "1 party is before you", "2 parties are before you"]
    clock(NOON + 1.5 * SECOND)
    assert [kind(who.get(path(session))) for who in (third, second, first)] == [
        "1 party is before you",
        "You are next",
        "form",
    ]
