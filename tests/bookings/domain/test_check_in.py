"""The day of the visit: who is here, and how many came."""

from datetime import timedelta

import pytest

from bookings.domain import check_in
from bookings.models import Booking, BookingStatus
from tests.acts import ledger, statuses
from tests.factories import HOUR, NOON, START, make_booking, make_offered, make_session, make_waiting

pytestmark = pytest.mark.usefixtures("promises_kept")

GATE = "host:gate"


def arrived(booking):
    return Booking.objects.values_list("status", "arrived").get(pk=booking.pk)


def test_one_press_checks_the_whole_party_in():
    booking = make_booking(make_session(), size=3)

    check_in.check_in_party(booking.pk, now=START, who=GATE)
    check_in.check_in_party(booking.pk, arrived=1, now=START, who=GATE)

    assert arrived(booking) == ("checked in", 3)
    assert ledger(booking.session)["places"] == 3
    assert list(booking.events.values_list("to_status", "who"))[1:] == [("checked in", GATE)]


def test_fewer_may_come():
    booking = make_booking(make_session(), size=3)

    check_in.check_in_party(booking.pk, arrived=2, now=START, who=GATE)

    assert arrived(booking) == ("checked in", 2)


@pytest.mark.parametrize(
    ("refusal", "number"), [(check_in.NobodyArrived, 0), (check_in.NobodyArrived, -1), (check_in.TooManyArrived, 3)]
)
def test_neither_nobody_nor_more_than_booked_can_be_here(refusal, number):
    booking = make_booking(make_session(), size=2)

    with pytest.raises(refusal):
        check_in.check_in_party(booking.pk, arrived=number, now=START, who=GATE)

    assert arrived(booking) == ("confirmed", None)


def test_only_confirmed_parties_stand_on_the_roster():
    session = make_session(capacity=4)
    others = [
        make_offered(session, offer_expires_at=NOON + HOUR),
        make_booking(session, "cancelled", ended_at=NOON),
        make_waiting(session, size=3),
    ]

    for booking in others:
        with pytest.raises(check_in.NotExpected):
            check_in.check_in_party(booking.pk, now=NOON, who=GATE)
        with pytest.raises(check_in.NotExpected):
            check_in.mark_no_show(booking.pk, now=START, who=GATE)
        with pytest.raises(check_in.NotExpected):
            check_in.undo_check_in(booking.pk, now=START, who=GATE)

    assert statuses(session) == dict(zip(others, ["offered", "cancelled", "waiting"], strict=True))


def test_a_check_in_can_be_undone():
    booking = make_booking(make_session())
    check_in.check_in_party(booking.pk, now=START, who=GATE)

    check_in.undo_check_in(booking.pk, now=START, who=GATE)

    assert arrived(booking) == ("confirmed", None)


def test_a_party_that_does_not_come_lets_go_of_its_places_and_gets_them_back_if_it_comes_late():
    booking = make_booking(make_session())

    check_in.mark_no_show(booking.pk, now=START, who=GATE)
    assert (arrived(booking), ledger(booking.session)["places"]) == (("no-show", None), 0)

    check_in.check_in_party(booking.pk, now=START + HOUR, who=GATE)
    assert (arrived(booking), ledger(booking.session)["places"]) == (("checked in", 2), 2)


# The session begins at 09:30 of 13 February in Shanghai, which is 01:30 in UTC.
MIDNIGHT = START.replace(day=12, hour=16, minute=0)


def test_check_in_opens_as_the_day_of_the_session_begins_at_the_venue():
    early, on_the_day = make_booking(make_session()), make_booking(make_session())

    with pytest.raises(check_in.CheckInTooEarly) as refusal:
        check_in.check_in_party(early.pk, now=MIDNIGHT - timedelta(seconds=1), who=GATE)
    check_in.check_in_party(on_the_day.pk, now=MIDNIGHT, who=GATE)

    assert str(refusal.value) == "It is too early: check-in for this session opens on Saturday 13 February."
    assert (arrived(early), arrived(on_the_day)) == (("confirmed", None), ("checked in", 2))


def test_a_session_just_after_midnight_opens_with_the_day_on_which_people_come_to_the_gate():
    at_midnight = START.replace(day=12, hour=16, minute=10)
    booking = make_booking(make_session(starts_at=at_midnight))

    check_in.check_in_party(booking.pk, now=at_midnight - timedelta(minutes=15), who=GATE)

    assert arrived(booking) == ("checked in", 2)


def test_nobody_is_missing_before_the_session_begins():
    booking = make_booking(make_session())

    with pytest.raises(check_in.NoShowTooEarly):
        check_in.mark_no_show(booking.pk, now=START - timedelta(seconds=1), who=GATE)

    assert statuses(booking.session) == {booking: BookingStatus.CONFIRMED}


def test_a_party_given_up_as_missing_is_refused_where_its_room_is_gone():
    booking = make_booking(make_session(capacity=2), BookingStatus.NO_SHOW, size=2)
    make_booking(booking.session, size=2)

    with pytest.raises(check_in.NoRoomLeft):
        check_in.check_in_party(booking.pk, now=START, who="host:lin")
