"""Thirty parties of one network in the same moment: as many hold places as one network may, not one more."""

from collections.abc import Iterator
from functools import partial

import pytest

from bookings.domain import holds
from bookings.models import Booking
from tests.acts import ledger, submit, told_to_prove_first
from tests.concurrency.threads import at_once
from tests.concurrency.twins import all_look_first, parties_without
from tests.factories import make_session

pytestmark = pytest.mark.postgres

SCHOOL = "203.0.113.0/24"


@pytest.mark.usefixtures("postgres")
def test_thirty_of_one_network_at_once_hold_what_one_network_may():
    session = make_session()
    told = at_once(*[partial(told_to_prove_first, session, network=SCHOOL)] * 30)
    assert sorted(told) == [False] * 2 + [True] * 28
    assert sorted(Booking.objects.values_list("status", flat=True)) == ["offered"] * 2 + ["waiting"] * 28
    assert ledger(session) == {"places": 4, "parties": 2, "offered": 2, "waiting": 0}


@pytest.fixture
def without_one_for_each_hold(transactional_db: None) -> Iterator[None]:
    with parties_without("party_one_unproven_for_each_hold"):
        yield


@pytest.mark.usefixtures("without_one_for_each_hold")
def test_twin_without_the_constraint_a_network_holds_more(monkeypatch):
    session = make_session()
    all_look_first(monkeypatch, holds, "free_holds", of=8)
    at_once(*[partial(submit, session, network=SCHOOL)] * 8)
    assert ledger(session)["parties"] == 8
