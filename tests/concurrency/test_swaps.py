"""Swaps under way: opposite ones all end, one wish is answered once, and no swap takes a place somebody else has."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

import pytest
from django.db import IntegrityError
from django.db.models import F

from bookings.domain import locks, swaps, visit, waitlist
from bookings.domain.errors import BookingError
from bookings.models import Booking, Notice, Party, SwapWish, TourSession
from tests.acts import ledger
from tests.concurrency.threads import PATIENCE, at_once, spread
from tests.factories import HOUR, NOON, make_booking, make_offered, make_season, make_session, make_waiting

pytestmark = pytest.mark.postgres


def wish(booking: Booking, *sessions: TourSession) -> bool:
    return swaps.wish_swap(booking.party_id, session_pks=[session.pk for session in sessions], now=NOON)


def where() -> Counter[int]:
    """How many parties are confirmed in each session."""
    return Counter(Booking.objects.filter(status="confirmed").values_list("session", flat=True))


@pytest.mark.usefixtures("postgres")
def test_two_hundred_opposite_wishes_between_two_full_sessions_are_a_hundred_swaps(monkeypatch):
    monkeypatch.setattr(locks, "MOST_TRIES", 1)  # With locks in order nothing ever has to be started over.
    season = make_season()
    one, other = (make_session(season=season, capacity=100) for _session in range(2))
    here = [make_booking(one, size=1) for _party in range(100)]
    there = [make_booking(other, size=1) for _party in range(100)]
    wishes = [
        job
        for mine, theirs in zip(here, there, strict=True)
        for job in (partial(wish, mine, other), partial(wish, theirs, one))
    ]

    outcomes = spread(wishes, threads=32)

    assert {*outcomes} <= {True, False}
    # Two that look at one moment may miss each other; the clock finds them.
    assert outcomes.count(True) + swaps.exchange_met_wishes(now=NOON) == 100
    assert Counter(Booking.objects.values_list("session", "status")) == {
        (session.pk, status): 100 for session in (one, other) for status in ("confirmed", "superseded")
    }
    went_there = Booking.objects.filter(session=other, status="confirmed").values_list("party", flat=True)
    assert {*went_there} == {booking.party_id for booking in here}
    assert (SwapWish.objects.count(), Notice.objects.filter(kind="swapped").count()) == (0, 200)
    for session in (one, other):
        assert ledger(session) == {"places": 100, "parties": 100, "offered": 0, "waiting": 0}


@pytest.mark.usefixtures("postgres")
def test_swaps_moves_and_changes_of_mind_all_at_once_end_with_every_promise_kept():
    season = make_season()
    one, other, third = (make_session(season=season, capacity=400) for _session in range(3))
    jobs: list[Callable[[], object]] = []
    for number in range(200):
        here, there = (one, other) if number % 2 else (other, one)
        held = make_booking(here, size=1 + number % 3 % 2)
        if number % 5 == 4:
            offer = make_offered(third, party=held.party, offer_expires_at=NOON + HOUR)
            jobs.append(partial(waitlist.accept_offer, offer.pk, now=NOON))
            continue
        if number % 4 == 1:
            make_waiting(third, party=held.party)
        if number % 4 == 2:
            make_waiting(there, party=held.party)
        jobs.append(partial(wish, held, there, third))
        if number % 5 == 3:
            ends = [swaps.withdraw_swap, visit.cancel_places, waitlist.leave_lines][number % 3]
            jobs.append(partial(ends, held.party_id, now=NOON))
        if number % 10 == 2:
            jobs.append(partial(swaps.exchange_met_wishes, now=NOON))
    for _party in range(10):
        make_waiting(one, size=2), make_waiting(other, size=2)
    TourSession.objects.update(capacity=F("places_held"), sell_limit=F("places_held"), max_parties=F("places_held"))

    outcomes = spread(jobs, threads=32)
    waitlist.serve_waiting_lines(now=NOON)
    swaps.exchange_met_wishes(now=NOON)

    failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert [failure for failure in failed if not isinstance(failure, BookingError)] == []
    assert Counter(map(type, outcomes))[bool] > 100
    assert Notice.objects.filter(kind="swapped").count() > 40, "many did swap"
    assert max(Counter(Booking.objects.filter(status="confirmed").values_list("party", flat=True)).values()) == 1
    assert not Party.objects.filter(ended_at=None).exclude(bookings__status__in=["confirmed", "waiting", "offered"])
    assert swaps.exchange_met_wishes(now=NOON) == 0, "no two wishes that meet are left"


@pytest.mark.usefixtures("postgres")
def test_of_all_who_say_yes_to_one_wish_at_once_one_swaps_and_the_others_hear_that_it_is_gone():
    season = make_season()
    here, there = make_session(season=season, capacity=20), make_session(season=season, capacity=2)
    parties = [make_booking(here) for _party in range(8)]
    wishing = make_booking(there)
    wish(wishing, here)
    number = SwapWish.objects.get().pk

    yes = partial(swaps.say_yes_to_swap, wish_pk=number, now=NOON)
    outcomes = at_once(*(partial(yes, booking.party_id) for booking in parties))

    assert Counter(type(outcome).__name__ for outcome in outcomes) == {"NoneType": 1, "SwapGone": 7}
    assert where() == {here.pk: 8, there.pk: 1}
    winner = parties[outcomes.index(None)]
    assert Booking.objects.get(session=there, status="confirmed").party == winner.party


@pytest.mark.usefixtures("postgres")
def test_a_yes_and_a_change_of_mind_at_once_are_one_of_both():
    season = make_season()
    for change in (swaps.withdraw_swap, visit.cancel_places):
        for _round in range(10):
            mine, theirs = (make_booking(make_session(season=season, capacity=2)) for _party in range(2))
            wish(theirs, mine.session)
            number = SwapWish.objects.get(booking=theirs).pk

            said, changed = at_once(
                partial(swaps.say_yes_to_swap, mine.party_id, wish_pk=number, now=NOON),
                partial(change, theirs.party_id, now=NOON),
            )

            swapped = Booking.objects.filter(session=theirs.session, party=mine.party, status="confirmed").exists()
            assert (swapped, type(said)) in {(True, type(None)), (False, swaps.SwapGone)}
            assert changed is None
            assert Booking.objects.filter(party=theirs.party, status="confirmed").exists() == (
                change is swaps.withdraw_swap
            )


def two_that_want_the_last_free_place() -> list[tuple[Booking, int]]:
    """Parties of three and the wishes of parties of two in one session with one place free."""
    season = make_season()
    wanted = make_session(season=season, capacity=5)
    pairs = []
    for _pair in range(2):
        large, small = make_booking(make_session(season=season, capacity=3), size=3), make_booking(wanted, size=2)
        wish(small, large.session)
        pairs.append((large, SwapWish.objects.get(booking=small).pk))
    return pairs


def say_yes_at_once(pairs: Iterable[tuple[Booking, int]]) -> list[str]:
    outcomes = at_once(
        *(partial(swaps.say_yes_to_swap, large.party_id, wish_pk=number, now=NOON) for large, number in pairs)
    )
    return sorted(type(outcome).__name__ for outcome in outcomes)


@pytest.mark.usefixtures("postgres")
def test_two_larger_parties_at_once_do_not_both_get_the_last_free_place():
    assert say_yes_at_once(two_that_want_the_last_free_place()) == ["NoRoomForYou", "NoneType"]


@pytest.mark.usefixtures("postgres")
def test_twin_without_the_locks_of_the_sessions_only_the_database_stops_the_second(monkeypatch):
    both_have_looked = threading.Barrier(2)

    def without_locks(party_pks: Iterable[int]) -> dict[int, TourSession]:
        live = Booking.objects.live().filter(party__in=party_pks).values_list("session", flat=True)
        return TourSession.objects.select_related("season__tour", "venue").in_bulk({*live})

    def look_together(*bookings: Booking, now: datetime) -> None:
        check_exchange(*bookings, now=now)
        both_have_looked.wait(PATIENCE)

    pairs = two_that_want_the_last_free_place()
    check_exchange = swaps._check_exchange
    monkeypatch.setattr(swaps, "lock_sessions_of", without_locks)
    monkeypatch.setattr(swaps, "_check_exchange", look_together)

    assert say_yes_at_once(pairs) == [IntegrityError.__name__, "NoneType"]
