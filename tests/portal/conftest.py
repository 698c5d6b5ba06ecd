from collections.abc import Callable
from datetime import datetime

import pytest
from django.utils import timezone

from tests.factories import NOON, make_house


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
