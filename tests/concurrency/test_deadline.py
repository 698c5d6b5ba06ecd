"""An offer is never both taken and lapsed, and never neither."""

import threading
from collections import Counter
from datetime import datetime, timedelta
from functools import partial

import pytest

from bookings.domain import visit, waitlist
from bookings.models import Booking, BookingEvent, BookingStatus
from tests.concurrency.threads import PATIENCE, at_once
from tests.factories import NOON, make_session, make_sign_up

pytestmark = pytest.mark.postgres

ROUNDS = 200
TICK = timedelta(microseconds=1)


def deadlines() -> list[datetime]:
    return [NOON + timedelta(minutes=number) for number in range(ROUNDS)]


def in_rounds(meet: threading.Barrier, offers: list[Booking], act) -> list[object]:
    """One act a round, both threads at once; what each returned or which refusal it met."""
    outcomes = []
    for offer, deadline in zip(offers, deadlines(), strict=True):
        meet.wait(PATIENCE)
        try:
            outcomes.append(act(offer, deadline))
        except waitlist.OfferGone:
            outcomes.append("gone")
        meet.wait(PATIENCE)
    return outcomes


@pytest.mark.usefixtures("postgres")
@pytest.mark.parametrize(
    "take",
    [
        pytest.param(lambda offer, now: waitlist.accept_offer(offer.pk, now=now), id="accepted"),
        pytest.param(lambda offer, now: visit.prove_mailbox(offer.party_id, now=now), id="proven"),
    ],
)
def test_at_the_deadline_an_offer_is_either_taken_or_lapsed(take):
    session = make_session(capacity=2 * ROUNDS)
    offers = [make_sign_up(session, size=1, offer_expires_at=deadline) for deadline in deadlines()]
    meet = threading.Barrier(2)

    taken, lapsed = at_once(
        partial(in_rounds, meet, offers, lambda offer, deadline: take(offer, deadline - TICK)),
        partial(in_rounds, meet, offers, lambda _offer, deadline: waitlist.lapse_offers(now=deadline)),
    )

    ended = dict(Booking.objects.values_list("pk", "status"))
    told = [(ended[offer.pk], answer, count) for offer, answer, count in zip(offers, taken, lapsed, strict=True)]
    assert {*told} <= {("confirmed", None, 0), ("lapsed", "gone", 1)}
    assert Counter(BookingEvent.objects.values_list("booking", flat=True)) == {offer.pk: 2 for offer in offers}


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
