from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from django.utils import timezone

from portal import shared
from tests.factories import NOON, make_house
from tests.portal.keeping import ByOwnClock, Clock, forget_shared
from tests.portal.room import asked, forget


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """The time the views read: ``clock(now)`` sets it. It stands at noon, 20:00 in Shanghai."""

    def show(now: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: now)

    show(NOON)
    return show


@pytest.fixture
def waiting_room(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """On, and as nobody has come to it yet. A Redis that a busy machine holds up is waited for."""
    settings.WAITING_ROOM = "auto"
    monkeypatch.setattr(shared, "SECONDS_FOR_AN_ANSWER", 10.0)
    monkeypatch.setattr(shared.Silence, "until", 0.0)
    shared.shared_redis.cache_clear()
    forget()
    asked(lambda redis: redis.flushdb())
    yield
    asked(lambda redis: redis.flushdb())
    shared.shared_redis.cache_clear()


# What an earlier test has kept is old in each.
_mornings = count(1_000_000.0, 86_400.0)


@pytest.fixture
def seconds(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """As in a process in a rush: what it has read it gives again for a second. ``seconds(n)`` pass."""
    settings.KEPT_SECONDS = 1.0
    shown = [next(_mornings)]
    for reader in ("portal.kept", "portal.views.asking"):
        monkeypatch.setattr(f"{reader}.monotonic", lambda: shown[0])

    def passed(more: float) -> None:
        shown[0] += more

    return passed


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
