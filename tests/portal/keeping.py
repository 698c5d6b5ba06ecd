"""Pages that are kept, as they are outside of tests, for as long as a clock of the test's own says."""

from collections.abc import Callable
from typing import ClassVar

from django.http import HttpRequest, HttpResponse
from redis import Redis

from portal import shared
from portal.page_cache import PageCache


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


def forget_shared() -> None:
    shared.ask(lambda redis: redis.delete("no name", *names_shared(redis)), otherwise=0)


def names_shared(redis: Redis) -> list[bytes]:
    return [*redis.scan_iter("page:*"), *redis.scan_iter("lead:*")]
