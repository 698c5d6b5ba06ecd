"""Public pages that are made once a second: for whom, for how long, and what is never kept."""

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from gzip import decompress

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from bookings.models import TourSession
from portal import page_cache, shared, urls
from portal.page_cache import PageCache
from portal.views.caching import kept_by_nobody, kept_for_a_second
from tests.concurrency.processes import in_processes
from tests.factories import DAY, NOON, make_season, make_session
from tests.portal.pages import links, rows, words


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class ByOwnClock(PageCache):
    """In the place of the page cache among the middleware."""

    clock_of_test: Clock

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response, self.clock_of_test)


@pytest.fixture
def own_clock(settings) -> Iterator[Clock]:
    """Pages are kept, as they are outside of tests, for as long as this clock says."""
    ByOwnClock.clock_of_test = Clock()
    settings.KEEP_PAGES = True
    settings.MIDDLEWARE = [
        f"{__name__}.ByOwnClock" if name == "portal.page_cache.PageCache" else name for name in settings.MIDDLEWARE
    ]
    forget_shared()
    yield ByOwnClock.clock_of_test
    forget_shared()


def forget_shared() -> None:
    shared.ask(lambda redis: [redis.delete(key) for key in redis.keys("page:*") + redis.keys("lead:*")], otherwise=[])


def shared_pages() -> int:
    return shared.ask(lambda redis: len(redis.keys("page:*")), otherwise=-1)


@pytest.fixture
def two_sites(own_clock) -> tuple[Client, Client]:
    """Two processes, as each client has a chain of middleware, and with it a memory, of its own."""
    return Client(), Client()


def told(client: Client, address: str, **given) -> HttpResponse:
    return client.get(address, **given)


def take_one(session: TourSession) -> None:
    TourSession.objects.filter(pk=session.pk).update(places_held=3, parties_held=1, parties_offered=0)


# The pages of visitors


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock", "house")
@pytest.mark.parametrize("accepts", ["", "gzip, br"])
def test_what_is_kept_is_what_was_made_and_asks_the_database_nothing(client, accepts, django_assert_num_queries):
    session = make_session()
    closed = make_session(season=session.season, closed_at=NOON)
    later = make_session(season=make_season(opens_at=NOON + DAY))
    addresses = {
        "/en/": 200,
        "/zh-hans/?only=weekday&season=1": 200,
        f"/en/sessions/{session.pk}/": 200,
        f"/en/sessions/{session.pk}/asked/": 200,
        f"/en/sessions/{closed.pk}/sign-up/": 410,
        f"/en/sessions/{later.pk}/sign-up/": 200,
        "/en/sessions/999999/": 404,
        "/en/sessions/999999/sign-up/": 404,
        f"/en/tours/{session.season.tour.slug}/": 200,
        f"/en/seasons/{session.season.pk}/calendar.ics": 200,
        "/en/privacy/": 200,
        "/en/link/asked/": 200,
    }

    def all_pages() -> list[tuple[int, dict[str, str], bytes, dict[str, object]]]:
        answers = [client.get(address, headers={"accept-encoding": accepts}) for address in addresses]
        return [(each.status_code, dict(each.headers), each.content, dict(each.cookies)) for each in answers]

    made = all_pages()
    with django_assert_num_queries(0):
        kept = all_pages()

    assert kept == made
    assert [status for status, *_ in kept] == list(addresses.values())
    assert {(headers["Vary"], headers.get("Content-Encoding", ""), str(cookies)) for _, headers, _, cookies in kept} == {
        ("Accept-Encoding", "gzip" if accepts else "", "{}")
    }
    assert all("Content-Security-Policy" in headers and "Portal-Keeps-Page" not in headers for _, headers, *_ in kept)
