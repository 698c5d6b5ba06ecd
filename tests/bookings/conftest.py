from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
from pytest_django import Settings

from bookings.domain.invariants import broken_promises
from tests.factories import NOON
from tests.owed import use
from tests.smtp import MailServer


@pytest.fixture
def commits(django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]]) -> Any:
    """``with commits():`` runs, at its end, what the domain does after each commit."""
    return partial(django_capture_on_commit_callbacks, execute=True)


@pytest.fixture
def promises_kept(db: None) -> Iterator[None]:
    """After the test every promise that can be read from the rows is kept."""
    yield
    assert list(broken_promises(now=NOON)) == []


@pytest.fixture
def office(mail_server: MailServer, settings: Settings) -> MailServer:
    use(settings, mail_server.port)
    return mail_server
