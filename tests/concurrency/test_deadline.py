"""An offer is never both taken and lapsed, and never neither."""

import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import pytest

from bookings.domain import visit, waitlist
from bookings.domain.errors import BookingError
from bookings.models import Booking, BookingEvent, BookingStatus, OfferSource, Party, TourSession
from tests.concurrency.processes import in_processes, meet
from tests.concurrency.threads import PATIENCE, at_once
from tests.factories import DAY, NOON, make_season, make_session, make_sign_up

pytestmark = pytest.mark.postgres

# A thousand offers: in each round four run out, and in the next another four.
ROUNDS = 250
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)


class Offer(NamedTuple):
    pk: int
    button: Callable[..., Any]
    of: int

    def press(self, **at: Any) -> str:
        try:
            self.button(self.of, **at)
        except BookingError as refusal:
            return type(refusal).__name__
        return "thanks"


def make_offers(kind: int) -> list[Offer]:
    """One for each round, in a session of their own; the kinds take turns.

    They are of a sign-up, answered by the button of the offer or by that of the proof, or of the line.
    """
    session = make_session(season=make_season(), capacity=ROUNDS, sell_limit=0)  # What lapses is offered to nobody.
    is_of_line = [(kind + number) % 3 == 0 for number in range(ROUNDS)]
    parties = Party.objects.bulk_create(
        Party(
            season=session.season,
            submission_key=uuid.uuid4(),
            person_key=str(number),
            email=f"lead{number}@visitors.example",
            size=1,
            smallest_size=1,
            asked_at=NOON - DAY,
            mailbox_proven_at=NOON - DAY if of_line else None,
        )
        for number, of_line in enumerate(is_of_line)
    )
    offers = Booking.objects.bulk_create(
        Booking(
            party=party,
            session=session,
            places=1,
            status=BookingStatus.OFFERED,
            status_since=NOON - DAY,
            offer_expires_at=NOON + number * MINUTE,
            offer_source=OfferSource.WAITLIST if is_of_line[number] else OfferSource.SIGN_UP,
        )
        for number, party in enumerate(parties)
    )
    BookingEvent.objects.bulk_create(
        BookingEvent(booking=offer, to_status=offer.status, happened_at=NOON - DAY, who="line") for offer in offers
    )
    TourSession.objects.filter(pk=session.pk).update(places_held=ROUNDS, parties_held=ROUNDS, parties_offered=ROUNDS)
    return [
        Offer(offer.pk, visit.prove_mailbox, offer.party_id)
        if (kind + number) % 3 == 1
        else Offer(offer.pk, waitlist.accept_offer, offer.pk)
        for number, offer in enumerate(offers)
    ]


def visitors(*offers: Sequence[Offer]) -> dict[int, str]:
    """A process of its own: each round, a tick before the deadline, say yes to one offer after the other."""
    answers = {}
    for number, running_out in enumerate(zip(*offers, strict=True)):
        meet()
        for offer in running_out:
            answers[offer.pk] = offer.press(now=NOON + number * MINUTE - TICK)
    return answers


def clock() -> int:
    """A process of its own: each round, at the deadline, take back what ran out. Returns how many offers."""
    taken_back = 0
    for number in range(ROUNDS):
        meet()
        taken_back += waitlist.lapse_offers(now=NOON + number * MINUTE)
    return taken_back


@pytest.mark.usefixtures("postgres")
def test_at_the_deadline_each_of_a_thousand_offers_is_either_taken_or_lapsed():
    one, two, three, four = map(make_offers, range(4))

    # The clock goes from one to four.
    some, others, taken_back = in_processes(partial(visitors, one, four), partial(visitors, three, two), clock)

    histories = defaultdict(list)
    for pk, source, status in BookingEvent.objects.order_by("pk").values_list(
        "booking", "booking__offer_source", "to_status"
    ):
        histories[pk, source].append(status)
    became = Counter((source, (some | others)[pk], *history) for (pk, source), history in histories.items())
    # Who is first, and how often, is chance.
    assert {*became} <= {
        ("sign-up", "thanks", "offered", "confirmed"),
        ("sign-up", "OfferGone", "offered", "lapsed"),
        ("waitlist", "thanks", "offered", "confirmed"),
        ("waitlist", "NothingOffered", "offered", "waiting"),
    }
    assert became.total() == 4 * ROUNDS
    assert taken_back == sum(count for (_, _, _, end), count in became.items() if end != "confirmed")
    assert Party.objects.filter(lapses=1).count() == became["waitlist", "NothingOffered", "offered", "waiting"]


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
