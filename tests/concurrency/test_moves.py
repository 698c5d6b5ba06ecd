"""Parties that change places with each other's sessions at once: all end, nobody loses a place, the ledger is true."""

import threading
from collections import Counter
from functools import partial

import pytest

from bookings.domain import choices, waitlist
from bookings.domain.errors import BookingError
from bookings.domain.locks import Locked
from bookings.models import Booking, BookingStatus, Party, TourSession
from tests.acts import ledger
from tests.concurrency.threads import PATIENCE, at_once, spread
from tests.factories import NOON, make_booking, make_season, make_session, make_waiting

pytestmark = pytest.mark.postgres

PARTIES, ROOM = 50, 2


def nearly_full() -> tuple[TourSession, TourSession]:
    season = make_season()
    one, other = (make_session(season=season, capacity=PARTIES + ROOM) for _session in range(2))
    return one, other


def kinds(outcomes: list[object]) -> set[str]:
    """What came of the moves: nothing to say, or which refusal. Anything else is no answer to a visitor."""
    return {"moved" if outcome is None else type(outcome).__name__ for outcome in outcomes}


@pytest.mark.usefixtures("postgres")
def test_a_hundred_opposite_moves_between_two_nearly_full_sessions_all_end():
    one, other = nearly_full()
    moves = []
    for _party in range(PARTIES):
        moves.append(partial(choices.take_places, make_booking(one, size=1).party_id, other.pk, now=NOON))
        moves.append(partial(choices.take_places, make_booking(other, size=1).party_id, one.pk, now=NOON))

    outcomes = spread(moves, threads=8)

    assert kinds(outcomes) <= {"moved", "NoRoomNow"}
    confirmed = Booking.objects.filter(status=BookingStatus.CONFIRMED)
    assert (confirmed.count(), len({booking.party_id for booking in confirmed})) == (2 * PARTIES, 2 * PARTIES)
    moved = Booking.objects.filter(status=BookingStatus.SUPERSEDED).count()
    assert (moved, moved > 0) == (outcomes.count(None), True)
    for session in (one, other):
        held = confirmed.filter(session=session).count()
        assert ledger(session) == {"places": held, "parties": held, "offered": 0, "waiting": 0}


@pytest.mark.usefixtures("postgres")
def test_moves_joins_and_leaves_beside_each_other_end_with_an_answer_and_a_line_in_order():
    one, other = nearly_full()
    jobs = []
    for number in range(PARTIES):
        here, there = (one, other) if number % 2 else (other, one)
        mover, joiner, waits = make_booking(here, size=1), make_booking(there, size=1), make_waiting(there, size=1)
        jobs += [
            partial(choices.take_places, mover.party_id, there.pk, now=NOON),
            partial(choices.join_line, joiner.party_id, here.pk, now=NOON),
            partial(choices.join_line, waits.party_id, here.pk, now=NOON),
            partial(choices.drop_choice, waits.pk, now=NOON),
            partial(choices.change_wishes, mover.party_id, smallest_size=1, short_notice=True, now=NOON),
            partial(choices.order_choices, joiner.party_id, []),
        ]

    outcomes = spread(jobs, threads=8)
    waitlist.serve_waiting_lines(now=NOON)

    refusals = [outcome for outcome in outcomes if outcome is not None]
    assert [refusal for refusal in refusals if not isinstance(refusal, BookingError)] == []
    assert kinds(outcomes) <= {"moved", "NoRoomNow", "NotInThisLine", "NothingToChoose", "ChoicesChanged"}
    confirmed = Counter(Booking.objects.filter(status=BookingStatus.CONFIRMED).values_list("party", flat=True))
    assert confirmed == dict.fromkeys(confirmed, 1)
    assert len(confirmed) == 2 * PARTIES, "whoever had places has them still, in one session or the other"


@pytest.mark.usefixtures("postgres")
def test_two_parties_that_want_the_last_place_are_told_yes_and_no():
    wanted = make_session(capacity=1)
    movers = [make_booking(make_session(season=wanted.season), size=1) for _mover in range(2)]

    outcomes = at_once(*(partial(choices.take_places, mover.party_id, wanted.pk, now=NOON) for mover in movers))

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoRoomNow", "NoneType"]


@pytest.mark.usefixtures("postgres")
def test_twin_without_locks_both_see_the_last_place_and_only_the_database_says_no(monkeypatch):
    wanted = make_session(capacity=1)
    movers = [make_booking(make_session(season=wanted.season), size=1) for _mover in range(2)]
    both_have_looked = threading.Barrier(2)

    def look(party_pk: int, *, also: list[int]) -> Locked:
        party = Party.objects.select_related("season__tour").get(pk=party_pk)
        pks = {*party.bookings.live().values_list("session", flat=True), *also}
        sessions = TourSession.objects.select_related("season__tour", "venue").in_bulk(pks)
        bookings = list(party.bookings.live())
        for booking in bookings:
            booking.party, booking.session = party, sessions[booking.session_id]
        both_have_looked.wait(PATIENCE)
        return Locked(party, sessions, bookings)

    monkeypatch.setattr(choices, "lock_party", look)
    outcomes = at_once(*(partial(choices.take_places, mover.party_id, wanted.pk, now=NOON) for mover in movers))

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["IntegrityError", "NoneType"]
