"""Public pages that are made once a second: for whom, for how long, and what is never kept."""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import ClassVar

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from redis import Redis

from bookings.models import TourSession
from portal import page_cache, shared
from portal.for_a_second import ForASecond
from portal.page_cache import PageCache
from portal.views.caching import kept_by_nobody, kept_for_a_second, kept_for_minutes
from tests.concurrency.processes import in_processes
from tests.factories import DAY, NOON, START, make_season, make_session
from tests.portal.pages import links, rows, words
from tests.processes import wait_until


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class ByOwnClock(PageCache):
    """In the place of the page cache among the middleware."""

    clock_of_test = Clock()
    asked = 0
    newest: ClassVar[PageCache]

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response, self.clock_of_test)
        ByOwnClock.newest = self

    def __call__(self, request: HttpRequest) -> HttpResponse:
        ByOwnClock.asked += 1
        return super().__call__(request)


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
    shared.shared_redis.cache_clear()
    forget_shared()


def forget_shared() -> None:
    shared.ask(lambda redis: redis.delete("no name", *names_shared(redis)), otherwise=0)


def names_shared(redis: Redis) -> list[bytes]:
    return [*redis.scan_iter("page:*"), *redis.scan_iter("lead:*")]


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
    encodings = {(headers["Vary"], headers.get("Content-Encoding")) for _, headers, *_ in kept}
    assert encodings == {("Accept-Encoding", "gzip" if accepts else None)}
    assert [cookies for *_, cookies in kept if cookies] == []
    assert all("Content-Security-Policy" in headers and "Portal-Keeps-Page" not in headers for _, headers, *_ in kept)


@pytest.mark.django_db
@pytest.mark.usefixtures("clock")
def test_what_the_ledger_says_is_seen_within_the_second(client, own_clock):
    session = make_session(capacity=4)
    address = f"/en/sessions/{session.pk}/"
    before = client.get(address)
    assert "4 places are free" in words(before)

    take_one(session)
    own_clock.now += 0.9
    assert client.get(address).content == before.content
    own_clock.now += 0.2
    after = client.get(address, headers={"if-none-match": before["ETag"]})
    assert (after.status_code, "1 place is free" in words(after)) == (200, True)


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_whoever_has_the_page_is_told_so_and_gets_nothing(client):
    address = f"/en/sessions/{make_session().pk}/"
    first = client.get(address)
    for tags in (first["ETag"], first["ETag"].removeprefix("W/"), f'"other", {first["ETag"]}', "*"):
        again = client.get(address, headers={"if-none-match": tags})
        assert (again.status_code, again.content) == (304, b"")
        assert dict(again.headers) == {
            "Cache-Control": "public, max-age=1",
            "ETag": first["ETag"],
            "Vary": "Accept-Encoding",
        }
    assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_neither_cookies_nor_headers_make_another_page(client, django_assert_num_queries):
    make_session()
    page = client.get("/en/")
    staff = Client()
    staff.force_login(get_user_model().objects.create_superuser("host", password="long-and-secret"))
    client.cookies["django_language"] = "zh-hans"
    with django_assert_num_queries(0):
        in_chinese = client.get("/en/", headers={"accept-language": "zh-CN"})
    assert (in_chinese.content, in_chinese["Content-Language"]) == (page.content, "en")
    assert (staff.get("/en/").content, staff.get("/en/").content) == (page.content, page.content)


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_languages_schemes_and_hosts_have_pages_of_their_own(client, settings):
    settings.ALLOWED_HOSTS = ["visits.works.example", "besuch.works.example"]
    session = make_session(capacity=9)
    besuch = {"host": "besuch.works.example"}
    asked = [
        partial(client.get, address, headers={"host": "visits.works.example"} | headers, secure=secure)
        for address, headers, secure in (
            ("/en/", {}, False),
            ("/zh-hans/", {}, False),
            ("/en/", besuch, False),
            ("/en/", {}, True),
        )
    ]
    made = []
    for places_held, ask in enumerate(asked):
        TourSession.objects.filter(pk=session.pk).update(places_held=places_held)
        made.append(rows(ask())[0])

    assert [rows(ask())[0] for ask in asked] == made
    assert [re.findall(r"(?<![0-9:])[6-9](?![0-9:])", row)[0] for row in made] == ["9", "8", "7", "6"]
    assert client.get("/en/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_what_no_page_reads_of_a_query_makes_no_page_and_stands_in_none(client, django_assert_num_queries):
    session = make_session()
    for number in range(5):
        make_session(season=session.season, starts_at=START + number * DAY, language="en")
    evil = client.get(f"/en/?utm=<b>&season={session.season.pk}&only=en&only=zh-hans&season=x")
    assert [link for link in links(evil) if "utm" in link or "season=x" in link] == []
    assert len(rows(evil)) == 1
    with django_assert_num_queries(0):
        assert client.get("/en/?only=zh-hans").content == evil.content
    full = client.get("/en/")
    with django_assert_num_queries(0):
        for query in ("fbclid=1", "season=7", "only=", "only=%00", "only=" + "x" * 13, "&".join(["a=1"] * 99)):
            assert client.get(f"/en/?{query}").content == full.content


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_a_query_of_whoever_comes_first_stands_in_nobody_elses_refusal(client):
    address = f"/en/sessions/{make_session(closed_at=NOON).pk}/sign-up/"
    assert "no-store" in client.get(f"{address}?mine=1")["Cache-Control"]
    assert "mine=1" not in client.get(address).content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_a_form_is_never_kept_and_nothing_sent_is_answered_from_what_is(client):
    session = make_session()
    address = f"/en/sessions/{session.pk}/sign-up/"
    forms = [client.get(address), client.get(address)]
    assert {form["Cache-Control"] for form in forms} == {"private, no-store"}
    assert forms[0].content != forms[1].content, "each has its own token"

    TourSession.objects.update(closed_at=NOON)
    closed = client.get(address)
    TourSession.objects.update(closed_at=None)
    assert (closed.status_code, closed["Cache-Control"]) == (410, "public, max-age=1")
    assert (client.get(address).status_code, client.post(address).status_code) == (410, 422)


# How they are kept, with pages that say which process made them and how often they were made


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
    Counted.may_go_on.wait(10)
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
    settings.MIDDLEWARE = [f"{__name__}.ByOwnClock"]
    for name, value in {**vars(Counted), "may_go_on": Event()}.items():
        if not name.startswith("_"):
            monkeypatch.setattr(Counted, name, value)
    Counted.may_go_on.set()
    return own_clock


@contextmanager
def asking(site: Site, address: str, *, threads: int) -> Iterator[list[HttpResponse]]:
    """So many ask meanwhile; their answers are there in the end."""
    answers: list[HttpResponse] = []
    before = ByOwnClock.asked
    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(site.ask, address) for _ in range(threads)]
        wait_until(lambda: ByOwnClock.asked == before + threads and Counted.times)
        try:
            yield answers
        finally:
            Counted.may_go_on.set()
        answers.extend(each.result() for each in running)


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
    assert page_cache.take_lead("http://testserver:80/counted/1/")
    assert Site().number("/counted/1/") == 1


def test_processes_share_what_one_has_made(counts):
    one, other = Site(), Site()
    assert [site.number("/counted/1/") for site in (one, other, one)] == [1, 1, 1]
    first, second = one.ask("/counted/1/"), other.ask("/counted/1/")
    assert (dict(first.headers), first.content) == (dict(second.headers), second.content)
    counts.now += 1.1
    assert [site.number("/counted/1/") for site in (other, one)] == [2, 2]


def ask_in_a_process() -> bytes:
    settings.KEEP_PAGES = True
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["portal.page_cache.PageCache"]
    return Site().ask("/process/").content


@pytest.mark.django_db
def test_real_processes_that_ask_at_the_same_moment_get_the_page_of_one_of_them(own_clock):
    first, second = in_processes(ask_in_a_process, ask_in_a_process)
    assert first == second


def test_what_stands_on_every_page_is_asked_for_once_a_second(settings):
    settings.KEEP_PAGES = True
    clock, answers = Clock(), iter("abc")
    ask = ForASecond(lambda: next(answers), clock)
    assert [ask(), ask()] == ["a", "a"]
    clock.now += 1.1
    assert [ask(), ask()] == ["b", "b"]


def test_without_redis_each_process_keeps_its_own(counts, settings):
    there, settings.SHARED_REDIS_URL = settings.SHARED_REDIS_URL, ""
    shared.shared_redis.cache_clear()
    one, other = Site(), Site()
    assert [site.number("/counted/1/") for site in (one, other, one, other)] == [1, 2, 1, 2]
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
