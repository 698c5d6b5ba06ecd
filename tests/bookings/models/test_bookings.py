"""The doors for a change of status: the row, the ledger and the event, together or not at all."""

import pytest
from django.db import IntegrityError, transaction

from bookings.models import Booking, BookingEvent, BookingMoved, BookingStatus, TourSession
from bookings.models.bookings import NEXT_STATUSES
from bookings.models.tours import LEDGER
from tests.acts import ledger
from tests.factories import NOON, make_booking, make_offered, make_session, make_waiting

pytestmark = pytest.mark.django_db

# DESIGN part 4, the table of statuses; what is not named has ended for good.
GOES_TO = {
    "entered": {"offered", "waiting", "withdrawn", "excluded", "called off"},
    "waiting": {"offered", "withdrawn", "superseded", "dropped", "closed", "lapsed", "called off"},
    "offered": {"confirmed", "declined", "lapsed", "waiting", "withdrawn", "called off"},
    "confirmed": {"checked in", "no-show", "cancelled", "superseded", "called off"},
    "checked in": {"confirmed", "called off"},
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

    with pytest.raises(BookingMoved), transaction.atomic():
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


# The second door


def test_many_bookings_end_at_once_as_they_would_one_by_one():
    one_by_one, at_once = make_session(capacity=9), make_session(capacity=9)
    for session in (one_by_one, at_once):
        make_booking(session), make_offered(session), make_waiting(session), make_waiting(session, proven=False)

    for booking in one_by_one.bookings.order_by("status", "pk"):
        booking.move_to(BookingStatus.CALLED_OFF, now=NOON, who="host:lin", why="repairs")
    at_once.bookings.all().end_all(BookingStatus.CALLED_OFF, now=NOON, who="host:lin", why="repairs")

    def outcome(session):
        bookings = session.bookings.order_by("pk")
        told = "status", "status_since", "queue_number", "offer_expires_at", "in_line", "places", "party__ended_at"
        events = BookingEvent.objects.filter(booking__session=session, to_status="called off").order_by("booking")
        return [
            list(bookings.values_list(*told)),
            list(events.values_list("from_status", "happened_at", "who", "why")),
            list(TourSession.objects.filter(pk=session.pk).values_list(*LEDGER)),
        ]

    assert outcome(at_once) == outcome(one_by_one)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("waiting", BookingStatus.CANCELLED, id="not what may follow"),
        pytest.param("no-show", BookingStatus.CALLED_OFF, id="ended in no way"),
        pytest.param("waiting", BookingStatus.OFFERED, id="no end"),
    ],
)
def test_many_bookings_end_only_as_one_may(before, after):
    session = make_session()
    make_booking(session, before)
    rows = list(session.bookings.values())

    with pytest.raises(BookingMoved):
        session.bookings.all().end_all(after, now=NOON, who="host:lin")

    assert list(session.bookings.values()) == rows


def test_of_many_bookings_none_ends_if_one_has_moved_meanwhile(monkeypatch):
    session = make_session()
    moving, waiting = make_booking(session), make_waiting(session)

    def somebody_is_faster(rows):
        Booking.objects.filter(pk=moving.pk).update(status="checked in")
        return [rows]

    monkeypatch.setattr("bookings.models.bookings.in_batches", somebody_is_faster)
    with pytest.raises(BookingMoved):
        session.bookings.all().end_all(BookingStatus.CALLED_OFF, now=NOON, who="host:lin")

    assert Booking.objects.get(pk=waiting.pk).status == "waiting"
