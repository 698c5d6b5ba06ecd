"""A connection that is lost in the middle of a change: the change is made once, or nothing has happened."""

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import InterfaceError, OperationalError, connection

from bookings.domain import locks
from bookings.domain.locks import in_one_transaction
from bookings.domain.visit import NothingConfirmed, cancel_places
from bookings.models import Notice, Party, Venue
from portal.services import short_temporary_folder
from tests.acts import ledger, statuses, submit
from tests.cut_wire import Breaks, Wire, through_a_wire
from tests.factories import NOON, make_booking, make_session

pytestmark = pytest.mark.postgres

both = pytest.mark.parametrize("breaks", Breaks)


@pytest.fixture
def wire(postgres: None) -> Iterator[Wire]:
    with (
        tempfile.TemporaryDirectory(dir=short_temporary_folder()) as folder,
        through_a_wire(Path(folder)) as wire,
    ):
        yield wire


@both
@pytest.mark.parametrize("capacity", [pytest.param(60, id="with room"), pytest.param(2, id="full")])
def test_a_sign_up_whose_commit_is_cut_counts_once(wire: Wire, breaks: Breaks, capacity: int):
    session = make_session(capacity=capacity)
    if capacity == 2:
        make_booking(session)
    before = ledger(session)
    wire.cut_at(b"COMMIT", breaks)

    submit(session, submission_key=uuid.uuid4(), email="lin@example.com")

    assert wire.was_cut
    party = Party.objects.get(email="lin@example.com")
    assert (party.bookings.count(), Notice.objects.filter(party=party).count()) == (1, 1)
    assert ledger(session)["parties"] == before["parties"] + (capacity > 2)


@both
def test_a_sign_up_cut_in_the_middle_counts_once(wire: Wire, breaks: Breaks):
    session = make_session()
    wire.cut_at(b'INSERT INTO "bookings_party"', breaks)

    submit(session, email="lin@example.com")

    assert wire.was_cut
    assert ledger(session)["parties"] == Party.objects.count() == 1


def test_places_given_up_in_a_commit_that_is_cut_are_given_up_once(wire: Wire):
    session = make_session()
    leaving = make_booking(session, size=2)
    wire.cut_at(b"COMMIT", Breaks.BEFORE_ITS_ANSWER_IS_BACK)

    with pytest.raises(NothingConfirmed):  # The page says so, and shows that the places are given up.
        cancel_places(leaving.party_id, now=NOON)

    assert statuses(session) == {leaving: "cancelled"}
    assert ledger(session)["parties"] == 0
    assert Notice.objects.count() == 1


@both
def test_what_would_be_done_twice_is_started_over_only_before_its_commit(wire: Wire, breaks: Breaks):
    add = in_one_transaction(
        lambda: Venue.objects.create(name="Gate 2", time_zone="Asia/Shanghai"), is_repeatable=False
    )
    wire.cut_at(b'INSERT INTO "bookings_venue"', breaks)
    add()
    assert (wire.was_cut, Venue.objects.count()) == (True, 1)

    wire.cut_at(b"COMMIT", breaks)
    with pytest.raises(OperationalError):
        add()
    assert Venue.objects.count() == 1 + (breaks is Breaks.BEFORE_ITS_ANSWER_IS_BACK)


@pytest.mark.usefixtures("postgres")
def test_a_database_that_is_not_there_is_not_waited_for(monkeypatch):
    tries = []
    connection.close()
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "HOST", "/nowhere")
        with pytest.raises(OperationalError):
            in_one_transaction(lambda: tries.append(1))()
    assert tries == []


@pytest.mark.usefixtures("postgres")
def test_a_database_that_stays_away_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(locks, "SECONDS_WITHOUT_DATABASE", 0.0)
    tries = []

    @in_one_transaction
    def change() -> None:
        tries.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises((OperationalError, InterfaceError)):
        change()
    assert tries == [1]


@pytest.mark.usefixtures("postgres")
def test_who_is_sent_away_by_an_operator_comes_back():
    tries = []

    @in_one_transaction
    def change() -> int:
        tries.append(1)
        with connection.cursor() as cursor:
            if len(tries) < 3:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            return Party.objects.count()

    assert (change(), tries) == (0, [1, 1, 1])
