"""What a twin needs: the same test without the guard, which must go wrong."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

import pytest
from django.db import connection

from bookings.models import Booking, Party
from tests.concurrency.threads import PATIENCE


@contextmanager
def parties_without(name: str) -> Iterator[None]:
    """The table of parties without one of its constraints; what stood in it is gone afterwards."""
    constraint = next(c for c in Party._meta.constraints if c.name == name)
    with connection.schema_editor() as editor:
        editor.remove_constraint(Party, constraint)
    yield
    Booking.objects.all().delete()
    Party.objects.all().delete()
    with connection.schema_editor() as editor:
        editor.add_constraint(Party, constraint)


def all_look_first(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, *, of: int) -> None:
    """Nobody goes on from this look before so many have looked."""
    all_have_looked = threading.Barrier(of)
    look: Callable[..., Any] = getattr(module, name)

    @wraps(look)
    def look_and_wait(*args: Any, **kwargs: Any) -> Any:
        found = look(*args, **kwargs)
        all_have_looked.wait(PATIENCE)
        return found

    monkeypatch.setattr(module, name, look_and_wait)
