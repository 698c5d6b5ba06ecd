"""A double click, Back and resubmit, two tabs, fifty of them: one party."""

import uuid
from collections.abc import Iterator
from functools import partial

import pytest

from bookings.domain import sign_up
from bookings.models import Booking, Notice, Party
from tests.acts import ledger, submit
from tests.concurrency.threads import at_once
from tests.concurrency.twins import all_look_first, parties_without
from tests.factories import NOON, make_booking, make_season, make_session

pytestmark = pytest.mark.postgres

ONE_LIVE = "party_one_live_per_season_and_person"


@pytest.mark.usefixtures("postgres")
@pytest.mark.parametrize("capacity", [pytest.param(60, id="with room"), pytest.param(2, id="full")])
def test_fifty_identical_submits_are_one_party(capacity):
    session = make_session(capacity=capacity)
    if capacity == 2:
        make_booking(session)
    before = ledger(session)
    once = partial(submit, session, submission_key=uuid.uuid4(), email="lin@example.com")

    assert at_once(*[once] * 50) == [None] * 50

    party = Party.objects.get(email="lin@example.com")
    assert party.bookings.count() == 1
    assert ledger(session)["parties"] == before["parties"] + (capacity > 2)


@pytest.mark.usefixtures("postgres")
def test_fifty_submits_of_one_person_are_one_live_party_and_at_most_one_more_mail():
    season = make_season()
    sessions = [make_session(season=season, capacity=60) for _session in range(2)]

    outcomes = at_once(*(partial(submit, sessions[number % 2], email="lin@example.com") for number in range(50)))

    assert outcomes == [None] * 50
    assert Party.objects.count() == 1
    assert Booking.objects.count() == 1
    assert sorted(Notice.objects.values_list("kind", flat=True)) == ["already_in", "prove"]


@pytest.fixture
def without_one_live(transactional_db: None) -> Iterator[None]:
    with parties_without(ONE_LIVE):
        yield


@pytest.mark.usefixtures("without_one_live")
def test_twin_without_the_constraint_one_person_has_two_parties(monkeypatch):
    session = make_session()
    all_look_first(monkeypatch, sign_up, "_tell_already_in", of=2)
    at_once(*[partial(submit, session, email="lin@example.com", now=NOON)] * 2)

    assert Party.objects.live().filter(season=session.season).count() == 2
