"""The one door for a change of status: the row, the ledger and the event, together or not at all."""

import pytest
from django.db import IntegrityError, transaction

from bookings.models import Booking, BookingEvent, BookingMoved, BookingStatus, TourSession
from bookings.models.bookings import NEXT_STATUSES
from tests.acts import ledger
from tests.factories import NOON, make_booking, make_offered, make_session, make_waiting

pytestmark = pytest.mark.django_db

# DESIGN part 4, the table of statuses; what is not named has ended for good.
GOES_TO = {
    "entered": {"offered", "waiting", "withdrawn", "excluded", "called off"},
    "waiting": {"offered", "withdrawn", "superseded", "dropped", "closed", "lapsed", "called off"},
    "offered": {"confirmed", "declined", "lapsed", "waiting", "withdrawn", "called off"},
    "confirmed": {"checked in", "no-show", "cancelled", "superseded", "called off"},
    "checked in": {"confirmed"},
    "no-show": {"checked in"},
}


def test_the_table_of_statuses_is_the_one_of_the_design():
    assert {before.value: {after.value for after in afters} for before, afters in NEXT_STATUSES.items()} == GOES_TO


@pytest.mark.parametrize("before", BookingStatus)
def test_no_other_passage_is_possible(before):
    booking = Booking(pk=1, status=before)

    for after in set(BookingStatus.values) - GOES_TO.get(before.value, set()):
        with pytest.raises(BookingMoved):
            booking.move_to(BookingStatus(after), now=NOON, who="party")


def test_whoever_has_an_old_picture_of_a_booking_changes_nothing():
    offer = make_offered(make_session())
    old_picture = Booking.objects.select_related("party").get(pk=offer.pk)
    offer.move_to(BookingStatus.CONFIRMED, now=NOON, who="party")
    before = ledger(offer.session)

    with pytest.raises(BookingMoved):
        old_picture.move_to(BookingStatus.LAPSED, now=NOON, who="clock")

    assert Booking.objects.get(pk=offer.pk).status == "confirmed"
    assert (ledger(offer.session), BookingEvent.objects.filter(booking=offer).count()) == (before, 2)


def test_a_passage_that_the_ledger_refuses_leaves_nothing_behind():
    session = make_session(capacity=2)
    make_booking(session)
    waiting = make_waiting(session)

    with pytest.raises(IntegrityError), transaction.atomic():
        waiting.move_to(BookingStatus.OFFERED, now=NOON, who="line", offer_expires_at=NOON)

    assert Booking.objects.get(pk=waiting.pk).status == "waiting"
    assert BookingEvent.objects.filter(booking=waiting).count() == 1
    assert TourSession.objects.get(pk=session.pk).places_held == 2
