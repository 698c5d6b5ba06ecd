"""How pages are kept, with pages that say how often they were made."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest
from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import path

from portal import page_cache, shared
from portal.views.caching import kept_by_nobody, kept_for_a_second, kept_for_minutes
from tests.concurrency.processes import in_processes
from tests.portal.keeping import ByOwnClock, Clock, names_shared
from tests.processes import wait_until

pytestmark = pytest.mark.any_database

PATIENCE = 60


class Counted:
    times = 0
    fails = False
    sets_cookie = False
    status = 200
    length = 300
    may_go_on = Event()


@kept_for_a_second
def counted(_request: HttpRequest, number: int) -> HttpResponse:
    Counted.times += 1
    mine = Counted.times
    Counted.may_go_on.wait(PATIENCE)
    if Counted.fails:
        raise ZeroDivisionError
    response = HttpResponse(f"{number} {mine}".ljust(Counted.length), status=Counted.status)
    if Counted.sets_cookie:
        response.set_cookie("mine", "1")
    return response


@kept_for_minutes
def process(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(os.getpid()))


@kept_by_nobody
def own(_request: HttpRequest) -> HttpResponse:
    Counted.times += 1
    return HttpResponse(f"0 {Counted.times}")


def handler500(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=500)


urlpatterns = [path("counted/<int:number>/", counted), path("process/", process), path("own/", own)]


class Site:
    """One process: a chain of middleware, and with it a memory, of its own."""

    def __init__(self) -> None:
        self.handler = BaseHandler()
        self.handler.load_middleware()

    def ask(self, address: str, method: str = "GET") -> HttpResponse:
        response = self.handler.get_response(RequestFactory().generic(method, address))
        assert isinstance(response, HttpResponse)
        return response

    def number(self, address: str) -> int:
        return number_of(self.ask(address))


def number_of(answer: HttpResponse) -> int:
    """How many pages had been made with this one."""
    return int(answer.content.split()[1])


@pytest.fixture
def counts(settings, monkeypatch, own_clock: Clock) -> Clock:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["tests.portal.keeping.ByOwnClock"]
    for name, value in {**vars(Counted), "may_go_on": Event()}.items():
        if not name.startswith("_"):
            monkeypatch.setattr(Counted, name, value)
    Counted.may_go_on.set()
    # Nobody who waits in vain would be ready in time.
    monkeypatch.setattr(page_cache, "SECONDS_OF_WAITING", 2 * PATIENCE)
    return own_clock


@contextmanager
def asking(site: Site, address: str, *, threads: int) -> Iterator[list[HttpResponse]]:
    """So many ask meanwhile; their answers are there in the end."""
    answers: list[HttpResponse] = []
    before = ByOwnClock.asked
    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(site.ask, address) for _ in range(threads)]
        wait_until(lambda: ByOwnClock.asked == before + threads and Counted.times, seconds=PATIENCE)
        try:
            yield answers
        finally:
            Counted.may_go_on.set()
        answers.extend(each.result(PATIENCE) for each in running)


def test_of_many_who_ask_at_once_one_makes_the_page_and_the_others_wait_for_it(counts):
    Counted.may_go_on.clear()
    with asking(Site(), "/counted/1/", threads=8) as answers:
        assert Counted.times == 1
    assert list(map(number_of, answers)) == [1] * 8


def test_while_the_next_one_is_made_others_get_the_last_one_but_none_older_than_that(counts):
    site = Site()
    assert site.number("/counted/1/") == 1
    counts.now += 1.5
    Counted.may_go_on.clear()
    with asking(site, "/counted/1/", threads=1) as made:
        wait_until(lambda: Counted.times == 2)
        assert site.number("/counted/1/") == 1
        assert Site().number("/counted/1/") == 1, "another process, by what they share"
        counts.now += 0.6
        with asking(site, "/counted/1/", threads=2) as late:
            assert Counted.times == 2
    assert list(map(number_of, [*made, *late])) == [2, 2, 2]


def test_a_page_that_fails_is_not_kept_and_holds_nobody_up(counts):
    site = Site()
    Counted.fails = True
    Counted.may_go_on.clear()
    with asking(site, "/counted/1/", threads=3) as answers:
        pass
    assert [answer.status_code for answer in answers] == [500, 500, 500]
    Counted.fails = False
    assert [site.number("/counted/1/"), site.number("/counted/1/"), Site().number("/counted/1/")] == [4, 4, 4]


def test_whoever_dies_while_it_makes_a_page_holds_others_up_for_a_moment_only(counts, monkeypatch):
    monkeypatch.setattr(page_cache, "SECONDS_OF_WAITING", 0.05)
    monkeypatch.setattr(page_cache, "SECONDS_OF_A_LEAD", 10 * PATIENCE)
    address = "http://testserver:80/counted/1/"
    assert page_cache.take_lead(address)
    assert Site().number("/counted/1/") == 1
    assert not page_cache.take_lead(address), "it did not wait until the lead had ended"


def test_processes_share_what_one_has_made(counts):
    one, other = Site(), Site()
    assert [site.number("/counted/1/") for site in (one, other, one)] == [1, 1, 1]
    first, second = one.ask("/counted/1/"), other.ask("/counted/1/")
    assert (dict(first.headers), first.content) == (dict(second.headers), second.content)
    counts.now += 1.1
    assert [site.number("/counted/1/") for site in (other, one)] == [2, 2]


def ask_by_the_clock_of_the_machine() -> bytes:
    settings.KEEP_PAGES = True
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["portal.page_cache.PageCache"]
    return Site().ask("/process/").content


@pytest.mark.usefixtures("counts")
def test_real_processes_share_what_one_has_made():
    [other] = in_processes(ask_by_the_clock_of_the_machine)
    assert (ask_by_the_clock_of_the_machine(), other == str(os.getpid()).encode()) == (other, False)


def test_without_redis_each_process_keeps_its_own(counts, settings):
    there, settings.SHARED_REDIS_URL = settings.SHARED_REDIS_URL, ""
    shared.shared_redis.cache_clear()
    one, other = Site(), Site()
    with asking(one, "/counted/1/", threads=1) as without_waiting_for_anybody:
        pass
    assert [*map(number_of, without_waiting_for_anybody)] == [1]
    assert [site.number("/counted/1/") for site in (other, one, other)] == [2, 1, 2]
    settings.SHARED_REDIS_URL = there


def test_what_sets_a_cookie_is_not_kept_and_says_so(counts):
    Counted.sets_cookie = True
    site = Site()
    answers = [site.ask("/counted/1/") for _ in range(2)]
    assert [(number_of(answer), answer["Cache-Control"]) for answer in answers] == [
        (1, "private, no-store"),
        (2, "private, no-store"),
    ]
    assert Site().number("/counted/1/") == 3


@pytest.mark.parametrize("status", [302, 403, 503])
def test_what_is_no_answer_for_everybody_is_not_kept(counts, status):
    Counted.status = status
    site = Site()
    assert [site.number("/counted/1/") for _ in range(2)] == [1, 2]


def test_a_page_without_the_mark_is_made_each_time(counts):
    site = Site()
    assert [site.number("/own/") for _ in range(2)] == [1, 2]


def test_only_get_and_head_are_answered_from_what_is_kept(counts):
    site = Site()
    page, head = site.ask("/counted/1/"), site.ask("/counted/1/", "HEAD")
    assert (head.status_code, dict(head.headers), number_of(head)) == (200, dict(page.headers), 1)
    posted = [site.ask("/counted/1/", "POST") for _ in range(2)]
    assert list(map(number_of, posted)) == [2, 3]
    assert page_cache.MARK not in posted[0]
    assert site.number("/counted/1/") == 1


def test_addresses_that_somebody_makes_up_fill_neither_memory_nor_redis(counts, monkeypatch):
    monkeypatch.setattr(page_cache, "MOST_PAGES", 5)
    site = Site()
    memory = ByOwnClock.newest.memory
    Counted.status = 404
    for number in range(20):
        site.ask(f"/counted/{number}/")
    Counted.status = 200
    for number in range(20):
        site.ask(f"/counted/1/?only=en&season={number}")
    assert (len(memory), shared.ask(names_shared, otherwise=[b"no answer"])) == (5, [])
    assert site.number("/counted/1/?only=en&season=19") == 40, "the last ones are there"

    monkeypatch.setattr(page_cache, "MOST_BYTES", 2000)
    Counted.length = 900
    for number in range(5):
        site.ask(f"/counted/{number}/")
    assert (len(memory) > 0, memory.bytes <= 2000) == (True, True)
    Counted.length = 5000
    assert [site.number("/counted/9/?only=en") for _ in range(2)] == [46, 47], "larger than all that may be kept"
    assert (len(memory), memory.bytes) == (0, 0)
