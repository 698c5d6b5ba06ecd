"""An offer is never both taken and lapsed, and never neither."""

import threading
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from bookings.domain import visit, waitlist
from bookings.domain.errors import BookingError
from bookings.models import Booking, BookingEvent, BookingStatus, Party
from tests.concurrency.threads import PATIENCE, at_once
from tests.factories import NOON, make_offered, make_session, make_sign_up

pytestmark = pytest.mark.postgres

ROUNDS = 1000
TICK = timedelta(microseconds=1)


def accept(offer: Booking, now: datetime) -> None:
    waitlist.accept_offer(offer.pk, now=now)


def prove(offer: Booking, now: datetime) -> None:
    visit.prove_mailbox(offer.party_id, now=now)


def in_rounds(meet: threading.Barrier, acts: list[partial[Any]]) -> list[object]:
    """One act a round, both threads at once; what each returned or which refusal it met."""
    outcomes: list[object] = []
    for act in acts:
        meet.wait(PATIENCE)
        try:
            outcomes.append(act())
        except BookingError as refusal:
            outcomes.append(type(refusal).__name__)
    return outcomes


@pytest.mark.usefixtures("postgres")
def test_at_the_deadline_each_of_a_thousand_offers_is_either_taken_or_lapsed():
    session = make_session(capacity=ROUNDS, sell_limit=0)  # What lapses is offered to nobody, so not again either.
    rounds = []
    for number in range(ROUNDS):
        deadline = NOON + timedelta(minutes=number)
        make, yes = [(make_sign_up, accept), (make_sign_up, prove), (make_offered, accept)][number % 3]
        offer = make(session, size=1, offer_expires_at=deadline)
        rounds.append((offer, partial(yes, offer, deadline - TICK), partial(waitlist.lapse_offers, now=deadline)))
    offers, presses, scans = map(list, zip(*rounds, strict=True))
    meet = threading.Barrier(2)

    answers, lapsed = at_once(*(partial(in_rounds, meet, acts) for acts in (presses, scans)))

    ended = dict(Booking.objects.values_list("pk", "status"))
    told = Counter(
        (offer.offer_source, ended[offer.pk], answer, count)
        for offer, answer, count in zip(offers, answers, lapsed, strict=True)
    )
    assert {*told} <= {
        ("sign-up", "confirmed", None, 0),
        ("sign-up", "lapsed", "OfferGone", 1),
        ("waitlist", "confirmed", None, 0),
        ("waitlist", "waiting", "NothingOffered", 1),
    }
    assert Counter(BookingEvent.objects.values_list("booking", flat=True)) == {offer.pk: 2 for offer in offers}
    assert Party.objects.filter(lapses=1).count() == Booking.objects.filter(status=BookingStatus.WAITING).count()


@pytest.mark.usefixtures("transactional_db")
def test_twin_read_then_write_takes_and_lapses_the_same_offer():
    offer = make_sign_up(make_session(), offer_expires_at=NOON)
    both_have_read = threading.Barrier(2)

    def naive(status: BookingStatus) -> None:
        booking = Booking.objects.get(pk=offer.pk)
        both_have_read.wait(PATIENCE)
        if booking.status == BookingStatus.OFFERED:
            Booking.objects.filter(pk=offer.pk).update(status=status, offer_expires_at=None)
            BookingEvent.objects.create(booking=booking, to_status=status, happened_at=NOON, who="party")

    at_once(partial(naive, BookingStatus.CONFIRMED), partial(naive, BookingStatus.LAPSED))

    assert set(BookingEvent.objects.values_list("to_status", flat=True)) == {"offered", "confirmed", "lapsed"}
