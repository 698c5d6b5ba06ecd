"""Two hundred parties on one session: exactly what fits is held. Its twins take the guards away."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from django.db import IntegrityError, connection
from django.db.models import BaseConstraint, F, Sum

from bookings.models import Booking, Party, TourSession
from bookings.models.tours import TourSessionQuerySet
from tests.acts import ask, ledger
from tests.concurrency.threads import PATIENCE, spread
from tests.factories import make_session

pytestmark = pytest.mark.postgres

PARTIES, THREADS = 200, 32
LIMITS = ["session_places_within_capacity", "session_parties_within_limit"]


def everybody_asks(session: TourSession) -> list[object]:
    """Parties of one, two and three, from 32 connections."""
    asks = [
        partial(ask, session, size=1 + number % 3, email=f"visitor{number}@example.com") for number in range(PARTIES)
    ]
    return spread(asks, threads=THREADS)


def held(session: TourSession) -> tuple[int, int]:
    """Places and parties, counted from the bookings."""
    holding = session.bookings.holding()
    return holding.aggregate(places=Sum("places"))["places"], holding.count()


@pytest.mark.usefixtures("postgres")
def test_exactly_what_fits_is_held_and_everybody_else_waits():
    session = make_session(capacity=60, max_parties=20)

    outcomes = everybody_asks(session)

    assert [outcome for outcome in outcomes if not isinstance(outcome, Party)] == []
    places, parties = held(session)
    assert ledger(session) == {"places": places, "parties": parties, "offered": parties, "waiting": 0}
    assert (places <= 60, parties <= 20) == (True, True)
    assert Counter(Booking.objects.values_list("status", flat=True)) == {"offered": parties, "waiting": 200 - parties}

    session.refresh_from_db()
    waiting = session.bookings.waiting()
    assert [booking for booking in waiting if session.room_for(booking.places)] == [], "nobody who fits was refused"
    assert [booking.queue_number for booking in waiting] == list(range(1, 200 - parties + 1))


@pytest.fixture
def naive_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read, think, write: every thread has read before the first one writes."""
    everybody_has_read = threading.Barrier(THREADS)
    here = threading.local()

    def claim(self: TourSessionQuerySet, pk: int, *, places: int) -> bool:
        has_room = self.get(pk=pk).room_for(places) > 0
        if not hasattr(here, "has_read"):
            here.has_read = True
            everybody_has_read.wait(PATIENCE)
        if has_room:
            self.filter(pk=pk).update(
                places_held=F("places_held") + places,
                parties_held=F("parties_held") + 1,
                parties_offered=F("parties_offered") + 1,
            )
        return has_room

    monkeypatch.setattr(TourSessionQuerySet, "claim", claim)


@pytest.fixture
def without_limits(transactional_db: None) -> Iterator[None]:
    """The table without its two CHECKs, for one test."""
    limits = [constraint for constraint in TourSession._meta.constraints if constraint.name in LIMITS]
    change_schema("remove_constraint", limits)
    yield
    Booking.objects.all().delete()
    TourSession.objects.all().delete()
    change_schema("add_constraint", limits)


def change_schema(change: str, limits: list[BaseConstraint]) -> None:
    with connection.schema_editor() as editor:
        step: Callable[..., None] = getattr(editor, change)
        for limit in limits:
            step(TourSession, limit)


@pytest.mark.usefixtures("without_limits", "naive_claim")
def test_twin_without_predicate_and_constraint_it_oversells():
    session = make_session(capacity=60, max_parties=20)

    everybody_asks(session)

    assert held(session)[1] > 20


@pytest.mark.usefixtures("postgres", "naive_claim")
def test_twin_without_predicate_the_constraint_alone_refuses():
    session = make_session(capacity=60, max_parties=20)

    outcomes = everybody_asks(session)

    refused = [outcome for outcome in outcomes if isinstance(outcome, IntegrityError)]
    assert refused
    assert {type(outcome) for outcome in outcomes} == {Party, IntegrityError}
    places, parties = held(session)
    assert (places <= 60, parties <= 20) == (True, True)
    assert Party.objects.count() == PARTIES - len(refused)
