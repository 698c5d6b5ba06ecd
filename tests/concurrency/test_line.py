"""The line under way: nobody overtakes, nobody is offered two sessions, opposite changes of mind all end."""

import threading
from collections import Counter
from functools import partial

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F

from bookings.domain import visit, waitlist
from bookings.domain.locks import in_one_transaction
from bookings.models import Booking, BookingStatus, Decision, TourSession
from bookings.models.tours import TourSessionQuerySet
from tests.acts import ask, ledger
from tests.concurrency.threads import PATIENCE, at_once, spread
from tests.factories import HOUR, NOON, make_booking, make_offered, make_season, make_session, make_waiting

pytestmark = pytest.mark.postgres


def offered_numbers(session: TourSession) -> list[int | None]:
    """The numbers in line of those who were offered places, in the order of the decisions."""
    offers = Decision.objects.filter(session=session, reason="offered").order_by("pk")
    return list(offers.values_list("offered_to__queue_number", flat=True))


@pytest.mark.usefixtures("postgres")
def test_newcomers_do_not_overtake_a_line_while_places_free_up():
    session = make_session(capacity=20)
    leaving = [make_booking(session, size=2) for _party in range(10)]
    line = [make_waiting(session, size=3) for _party in range(7)]
    cancels = [partial(visit.cancel_places, booking.party_id, now=NOON) for booking in leaving]
    asks = [partial(ask, session, size=1 + number % 2) for number in range(30)]

    outcomes = spread(
        [job for four in zip(cancels, asks[::3], asks[1::3], asks[2::3], strict=True) for job in four], threads=16
    )

    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    assert offered_numbers(session) == [1, 2, 3, 4, 5, 6], "20 places for parties of 3: six of them, in order"
    assert Counter(session.bookings.values_list("status", flat=True)) == {
        "cancelled": 10,
        "offered": 6,
        "waiting": 1 + 30,
    }
    assert Decision.objects.filter(session=session).latest("pk").saved_for == line[-1]


def claim_without_looking_at_the_line(self: TourSessionQuerySet, pk: int, *, places: int) -> bool:
    return bool(
        self.filter(pk=pk, places_held__lte=F("sell_limit") - places, parties_held__lt=F("max_parties")).update(
            places_held=F("places_held") + places,
            parties_held=F("parties_held") + 1,
            parties_offered=F("parties_offered") + 1,
        )
    )


@pytest.mark.usefixtures("postgres")
def test_twin_a_claim_that_does_not_look_at_the_line_overtakes_it(monkeypatch):
    session = make_session(capacity=4)
    leaving = make_booking(session, size=2)
    make_booking(session, size=2)
    head = make_waiting(session, size=3)
    monkeypatch.setattr(TourSessionQuerySet, "claim", claim_without_looking_at_the_line)
    monkeypatch.setattr(TourSession, "may_be_claimed", lambda session, places: session.room_for(places) > 0)

    visit.cancel_places(leaving.party_id, now=NOON)
    newcomers = at_once(*(partial(ask, session, size=2) for _newcomer in range(8)))

    overtook = [party for party in newcomers if party.bookings.get().status == BookingStatus.OFFERED]
    head.refresh_from_db()
    assert (len(overtook), head.status) == (1, "waiting")


@pytest.mark.usefixtures("postgres")
def test_parties_that_name_the_same_full_sessions_in_opposite_order_all_get_their_numbers():
    season = make_season()
    one, other = make_session(season=season, capacity=2), make_session(season=season, capacity=2)
    make_booking(one), make_booking(other)
    asks = [partial(ask, *((one, other) if number % 2 else (other, one))) for number in range(60)]

    outcomes = spread(asks, threads=16)

    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    for session in (one, other):
        numbers = session.bookings.waiting().values_list("queue_number", flat=True)
        assert list(numbers) == list(range(1, 61))


@pytest.mark.usefixtures("postgres")
def test_two_sessions_that_free_places_at_once_never_offer_one_party_both():
    season = make_season()
    sessions = [make_session(season=season, capacity=24) for _session in range(2)]
    leaving = [[make_booking(session, size=2) for _party in range(12)] for session in sessions]
    for _party in range(16):
        waiting = make_waiting(sessions[0], size=2)
        make_waiting(sessions[1], party=waiting.party, preference=2)
    cancels = [
        partial(visit.cancel_places, booking.party_id, now=NOON)
        for pair in zip(*leaving, strict=True)
        for booking in pair
    ]

    outcomes = spread(cancels, threads=8)
    waitlist.serve_waiting_lines(now=NOON)

    assert outcomes == [None] * 24
    offers = Booking.objects.filter(status=BookingStatus.OFFERED).values_list("party", flat=True)
    assert (len(offers), len(set(offers))) == (16, 16), "one offer each"


@pytest.mark.usefixtures("postgres")
def test_answers_and_lapses_while_places_free_up_leave_no_party_with_two_places():
    season = make_season()
    sessions = [make_session(season=season, capacity=12) for _session in range(2)]
    offers = []
    for number in range(6):
        offer = make_offered(sessions[number % 2], size=2, offer_expires_at=NOON + HOUR)
        make_waiting(sessions[1 - number % 2], party=offer.party)
        offers.append(offer)
    leaving = [make_booking(session, size=2) for session in sessions for _party in range(3)]
    for _party in range(6):
        waiting = make_waiting(sessions[0], size=2)
        make_waiting(sessions[1], party=waiting.party)
    jobs = [partial(visit.cancel_places, booking.party_id, now=NOON) for booking in leaving]
    jobs += [partial(waitlist.accept_offer, offer.pk, now=NOON) for offer in offers[:3]]
    jobs += [partial(waitlist.decline_offer, offer.pk, now=NOON) for offer in offers[3:5]]
    jobs += [partial(waitlist.leave_lines, offers[5].party_id, now=NOON)]

    outcomes = at_once(*jobs)
    waitlist.serve_waiting_lines(now=NOON)

    assert outcomes == [None] * 12
    assert all(ledger(session)["places"] <= 12 for session in sessions)
    confirmed = Booking.objects.filter(status=BookingStatus.CONFIRMED)
    assert {booking.party_id for booking in confirmed} == {offer.party_id for offer in offers[:3]}


@pytest.mark.usefixtures("postgres")
def test_two_hundred_opposite_swaps_all_end():
    season = make_season()
    one, other = (make_session(season=season, capacity=400) for _session in range(2))
    swaps: list[list[Booking]] = [[], []]
    for _round in range(100):
        for direction, (old, new) in enumerate(((one, other), (other, one))):
            held = make_booking(old, size=1)
            swaps[direction].append(make_offered(new, party=held.party, offer_expires_at=NOON + HOUR))
    both_ready = threading.Barrier(2)

    def swap_all(offers: list[Booking]) -> int:
        for offer in offers:
            both_ready.wait(PATIENCE)
            waitlist.accept_offer(offer.pk, now=NOON)
        return len(offers)

    assert at_once(*(partial(swap_all, offers) for offers in swaps)) == [100, 100]
    assert Counter(Booking.objects.values_list("session", "status")) == {
        (session.pk, status): 100 for session in (one, other) for status in ("confirmed", "superseded")
    }


class OppositeLocks:
    """What the order of locks forbids: at the first try each holds what the other wants."""

    def __init__(self) -> None:
        self.tries: list[int] = []
        self._both_hold_one = threading.Barrier(2)

    def take(self, first: int, second: int) -> None:
        self.tries.append(first)
        TourSession.objects.select_for_update().get(pk=first)
        if self.tries.count(first) == 1:
            self._both_hold_one.wait(PATIENCE)
        TourSession.objects.select_for_update().get(pk=second)


@pytest.mark.usefixtures("postgres")
def test_twin_locks_in_opposite_order_end_in_a_deadlock():
    one, other = make_session(), make_session()
    change = transaction.atomic(OppositeLocks().take)

    outcomes = at_once(partial(change, one.pk, other.pk), partial(change, other.pk, one.pk))

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "OperationalError"]


@pytest.mark.usefixtures("postgres")
def test_a_deadlock_is_started_over_from_the_outside():
    one, other = make_session(), make_session()
    locks = OppositeLocks()
    change = in_one_transaction(locks.take)

    assert at_once(partial(change, one.pk, other.pk), partial(change, other.pk, one.pk)) == [None, None]
    assert len(locks.tries) >= 3, "who is started over may be quicker again than who waited, and meet it once more"


@pytest.mark.usefixtures("postgres")
def test_what_no_second_try_can_heal_is_not_tried_again():
    tries = []

    @in_one_transaction
    def change() -> None:
        tries.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)")

    with pytest.raises(OperationalError):
        change()
    assert tries == [1]
