from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.utils import timezone

from portal import shared
from tests.factories import NOON, make_house
from tests.portal.keeping import ByOwnClock, Clock, forget_shared


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """The time the views read: ``clock(now)`` sets it. It stands at noon, 20:00 in Shanghai."""

    def show(now: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: now)

    show(NOON)
    return show


@pytest.fixture
def house(db: None) -> None:
    """Without one, pages have no name and no address to write to."""
    make_house()


@pytest.fixture
def own_clock(settings) -> Iterator[Clock]:
    """Pages are kept, as they are outside of tests, for as long as this clock says."""
    ByOwnClock.clock_of_test = Clock()
    settings.KEEP_PAGES = True
    settings.MIDDLEWARE = [
        "tests.portal.keeping.ByOwnClock" if name == "portal.page_cache.PageCache" else name
        for name in settings.MIDDLEWARE
    ]
    forget_shared()
    yield ByOwnClock.clock_of_test
    shared.shared_redis.cache_clear()
    forget_shared()
