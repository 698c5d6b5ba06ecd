from collections.abc import Iterator

import pytest
from django.db import connection

from bookings.domain.invariants import broken_promises
from tests.factories import NOON


@pytest.fixture
def postgres(transactional_db: None) -> Iterator[None]:
    """These tests are about row locks; after each of them every promise is kept."""
    assert connection.vendor == "postgresql"
    yield
    assert list(broken_promises(now=NOON)) == []
