"""The day of the visit: who is here, and how many came."""

from datetime import datetime

from django.utils.dateformat import format as format_date
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from bookings.domain import waitlist
from bookings.domain.errors import BookingError
from bookings.domain.locks import in_one_transaction, lock_party
from bookings.models import Booking, BookingStatus, TourSession


class NotExpected(BookingError):
    message = _("This party is not on the roster of this session.")


class TooManyArrived(BookingError):
    message = _("More people than places are booked.")


class NobodyArrived(BookingError):
    message = _("At least one person has to be here to check a party in.")


class NoRoomLeft(BookingError):
    message = _("There is no room for this party any more: its places went when it was marked as missing.")


class CheckInTooEarly(BookingError):
    message = _("It is too early: check-in for this session opens on %(day)s.")

    def __init__(self, session: TourSession) -> None:
        self.day = session.be_there_at

    def __str__(self) -> str:
        day = format_date(self.day, pgettext("date format: Saturday 13 February", "l j F"))
        return str(self.message) % {"day": day}


class NoShowTooEarly(BookingError):
    message = _("The session has not begun: nobody can be missing yet.")


def has_opened(session: TourSession, *, now: datetime) -> bool:
    """It opens as the day begins, at the venue, on which people come to the gate: pressed earlier, it is a slip."""
    return now.astimezone(session.venue.zone).date() >= session.be_there_at.date()


@in_one_transaction
def check_in_party(booking_pk: int, *, arrived: int | None = None, now: datetime, who: str, why: str = "") -> None:
    """The party is here; ``arrived`` people of it, all if not said. Twice is once.

    Raises NotExpected, CheckInTooEarly, NobodyArrived, TooManyArrived, or NoRoomLeft for a party that was given up as
    missing.
    """
    booking = _lock(booking_pk)
    if booking.status == BookingStatus.CHECKED_IN:
        return
    if booking.status not in {BookingStatus.CONFIRMED, BookingStatus.NO_SHOW}:
        raise NotExpected
    if not has_opened(booking.session, now=now):
        raise CheckInTooEarly(booking.session)
    arrived = booking.places if arrived is None else arrived
    if arrived < 1:
        raise NobodyArrived
    if arrived > booking.places:
        raise TooManyArrived
    session = booking.session
    if not booking.holds_places and (
        session.places_held + booking.places > session.capacity or session.parties_held >= session.max_parties
    ):
        raise NoRoomLeft
    booking.move_to(BookingStatus.CHECKED_IN, now=now, who=who, why=why, arrived=arrived)
    waitlist.leave_lines(booking.party_id, now=now, who="line", why="came")  # It waits for no other session now.


@in_one_transaction
def undo_check_in(booking_pk: int, *, now: datetime, who: str, why: str = "") -> None:
    """The check-in was a mistake. Raises NotExpected."""
    booking = _lock(booking_pk)
    if booking.status != BookingStatus.CHECKED_IN:
        raise NotExpected
    booking.move_to(BookingStatus.CONFIRMED, now=now, who=who, why=why or "check-in undone")


@in_one_transaction
def mark_no_show(booking_pk: int, *, now: datetime, who: str, why: str = "") -> None:
    """The party did not come. Raises NotExpected or NoShowTooEarly."""
    booking = _lock(booking_pk)
    if booking.status != BookingStatus.CONFIRMED:
        raise NotExpected
    if now < booking.session.starts_at:
        raise NoShowTooEarly
    booking.move_to(BookingStatus.NO_SHOW, now=now, who=who, why=why)


def _lock(booking_pk: int) -> Booking:
    party_pk, session_pk = Booking.objects.values_list("party", "session").get(pk=booking_pk)
    locked = lock_party(party_pk, also=[session_pk])
    booking = Booking.objects.get(pk=booking_pk)
    booking.party, booking.session = locked.party, locked.sessions[session_pk]
    return booking
