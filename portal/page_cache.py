"""Public pages in front of everything else: a thousand readers cost what one costs.

A view says that its page is the same for everybody (portal/views/caching.py). The first reader has it made; until it is
a second old it is answered from the memory of this process, then from the Redis that processes share, and made anew
by one of them while the others wait for it or get the last one. Without Redis each process makes its own.

What makes two pages is how the address was written, and nothing else: no cookie, no header of whoever asks.
"""

import re
import time
from collections.abc import Callable
from hashlib import blake2b
from threading import Event, Lock
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from redis import Redis

from portal import shared
from portal.kept_page import KeptPage

SAFE = {"GET", "HEAD"}
# What is no answer for everybody, like a redirect to the own language, is never kept.
KEEPABLE = {200, 404, 410}
# How long a view wants its page kept, in seconds: from the view to here, and no further.
MARK = "Portal-Keeps-Page"
# All that any public page reads of a query; whatever else stands there makes no other page.
READ_OF_A_QUERY = {"season": re.compile(r"[0-9]{1,9}"), "only": re.compile(r"[a-z-]{1,12}")}

# A page just past its time is good enough while the next one is being made, and for no longer than this.
SECONDS_AFTER = 1.0
SECONDS_OF_WAITING = 1.0
SECONDS_BETWEEN_LOOKS = 0.02
# Of whoever makes a page for all processes, and may die of it.
SECONDS_OF_A_LEAD = 2.0

MOST_PAGES = 500
MOST_BYTES = 16 * 1024 * 1024


class Found(HttpResponse):
    """Stands for a page that was found after the views had been asked for."""

    def __init__(self, page: KeptPage) -> None:
        super().__init__()
        self.page = page


class Flight:
    """One request makes a page; the other threads of the process wait until it has landed, with a page or without."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.landed = Event()
        self.leads_all = False


class PageCache:
    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponse], clock: Callable[[], float] = time.time
    ) -> None:
        self.get_response = get_response
        self.clock = clock
        self.memory = Memory()
        self._flights: dict[str, Flight] = {}
        self._lock = Lock()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in SAFE:
            return without_mark(self.get_response(request))
        now = self.clock()
        key = key_of(request)
        page = self.memory.get(key) if settings.KEEP_PAGES else None
        if page and is_fresh(page, now):
            return page.answer(request)
        try:
            return self._finished(self.get_response(request), request, key=key, made_at=now)
        finally:
            self._land(key, request)

    def process_view(self, request: HttpRequest, view: Callable[..., HttpResponse], *_: Any) -> HttpResponse | None:
        """Here it is known whether the page is one for everybody: then one request makes it."""
        if not (settings.KEEP_PAGES and request.method in SAFE and getattr(view, "keeps_pages", False)):
            return None
        key = key_of(request)
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                mine = self._flights[key] = Flight(request)
        page = self._from_neighbours(key, mine) if flight is None else self._from_thread(key, flight)
        return Found(page) if page else None

    def _from_thread(self, key: str, flight: Flight) -> KeptPage | None:
        page = self.memory.get(key)
        if page and is_good_enough(page, self.clock()):
            return page
        flight.landed.wait(SECONDS_OF_WAITING)
        page = self.memory.get(key)
        return page if page and is_good_enough(page, self.clock()) else None

    def _from_neighbours(self, key: str, flight: Flight) -> KeptPage | None:
        """A page that has been made meanwhile, here or in another process; None if it is for us to make it."""
        page = self.memory.get(key)
        if page and is_fresh(page, self.clock()):
            return page
        if not is_shared(key):
            return None
        ends = time.monotonic() + SECONDS_OF_WAITING
        while True:
            last, page = page, read_shared(key) or page
            now = self.clock()
            if page and page is not last:
                self.memory.put(key, page)
            if page and is_fresh(page, now):
                return page
            if flight.leads_all or time.monotonic() > ends:
                return None
            if take_lead(key):
                flight.leads_all = True  # After one more look: the page may have come just before.
            elif page and is_good_enough(page, now):
                return page
            else:
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def _finished(self, response: HttpResponse, request: HttpRequest, *, key: str, made_at: float) -> HttpResponse:
        seconds = response.get(MARK)
        del response[MARK]
        if isinstance(response, Found):
            return response.page.answer(request)
        if seconds is None or response.streaming:
            return response
        if not is_for_everybody(response):
            response["Cache-Control"] = "private, no-store"
            return response
        page = KeptPage.of(response, made_at=made_at, seconds=float(seconds))
        if settings.KEEP_PAGES:
            self.memory.put(key, page)
            if is_shared(key) and page.status != 404:
                tell_shared(key, page)
        return page.answer(request)

    def _land(self, key: str, request: HttpRequest) -> None:
        flight = self._flights.get(key)
        if flight is None or flight.request is not request:
            return
        with self._lock:
            del self._flights[key]
        if flight.leads_all:
            leave_lead(key)
        flight.landed.set()


class Memory:
    """Of one process, and never more than so many pages and bytes: the one that was made longest ago goes first."""

    def __init__(self) -> None:
        self.bytes = 0
        self._pages: dict[str, KeptPage] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, key: str) -> KeptPage | None:
        return self._pages.get(key)

    def put(self, key: str, page: KeptPage) -> None:
        with self._lock:
            self._drop(key)
            self._pages[key] = page
            self.bytes += len(key) + page.size
            while len(self._pages) > MOST_PAGES or self.bytes > MOST_BYTES:
                self._drop(next(iter(self._pages)))

    def _drop(self, key: str) -> None:
        page = self._pages.pop(key, None)
        if page:
            self.bytes -= len(key) + page.size


def key_of(request: HttpRequest) -> str:
    meta = request.META
    host = meta.get("HTTP_HOST") or f"{meta['SERVER_NAME']}:{meta['SERVER_PORT']}"
    query = meta.get("QUERY_STRING", "")
    address = f"{request.scheme}://{host}{request.path}"
    return f"{address}?{read}" if query and (read := narrowed(query)) else address


def narrowed(query: str) -> str:
    """What is left of a query when everything is dropped that no public page reads."""
    asked = dict(parse_qsl(query))
    read = {name: asked[name] for name, allowed in READ_OF_A_QUERY.items() if allowed.fullmatch(asked.get(name, ""))}
    return urlencode(read) if "only" in read else ""


def without_mark(response: HttpResponse) -> HttpResponse:
    del response[MARK]
    return response


def is_fresh(page: KeptPage, now: float) -> bool:
    """By two clocks, perhaps: a page from the future is not believed for longer than it is kept."""
    return now < page.fresh_until and page.made_at <= now + SECONDS_AFTER


def is_good_enough(page: KeptPage, now: float) -> bool:
    return now < page.fresh_until + SECONDS_AFTER and page.made_at <= now + SECONDS_AFTER


def is_for_everybody(response: HttpResponse) -> bool:
    told_apart_by = {name.strip().lower() for name in response.get("Vary", "").split(",") if name.strip()}
    return response.status_code in KEEPABLE and not response.cookies and told_apart_by <= {"accept-encoding"}


# What processes share. It is bounded by the time for which it stands there, and holds only what nobody can make up:
# pages that exist, without a query.


def is_shared(key: str) -> bool:
    return "?" not in key


def read_shared(key: str) -> KeptPage | None:
    told = shared.ask(lambda redis: redis.get(_name("page", key)), otherwise=None)
    return KeptPage.read(told) if isinstance(told, bytes) else None


def tell_shared(key: str, page: KeptPage) -> None:
    milliseconds = int(1000 * (page.fresh_until - page.made_at + SECONDS_AFTER))
    shared.ask(lambda redis: redis.set(_name("page", key), page.told(), px=milliseconds), otherwise=None)


def take_lead(key: str) -> bool:
    """Whether it is for this process to make the page; without an answer each makes its own."""

    def take(redis: Redis) -> bool:
        return bool(redis.set(_name("lead", key), b"1", nx=True, px=int(1000 * SECONDS_OF_A_LEAD)))

    return shared.ask(take, otherwise=True)


def leave_lead(key: str) -> None:
    shared.ask(lambda redis: redis.delete(_name("lead", key)), otherwise=0)


def _name(kind: str, key: str) -> str:
    """With the number of the form in which a page is told: another release may tell it otherwise."""
    return f"{kind}:1:{blake2b(key.encode(), digest_size=16).hexdigest()}"
