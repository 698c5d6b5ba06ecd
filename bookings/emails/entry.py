"""The calendar entry that goes with a mail."""

from datetime import datetime

from django.core.mail import EmailMultiAlternatives

from bookings.calendars import Method, invitation
from bookings.emails.words import ending
from bookings.models import BookingStatus, House, Notice, NoticeKind


def attach_calendar(
    message: EmailMultiAlternatives, notice: Notice, *, now: datetime, house: House | None = None
) -> None:
    """As an alternative, which calendars take in by themselves, and as a file for all others."""
    method = _calendar_method(notice)
    if method is None or notice.booking is None:
        return
    file = invitation(notice.booking, method, now=now, house=house)
    message.attach_alternative(file.decode(), f"text/calendar; method={method}")
    message.attach("visit.ics", file, "application/ics")


def _calendar_method(notice: Notice) -> Method | None:
    booking = notice.booking
    if booking is None:
        return None
    if notice.kind in {NoticeKind.CONFIRMED, NoticeKind.SWAPPED, NoticeKind.CHANGED} and booking.status in {
        BookingStatus.CONFIRMED,
        BookingStatus.CHECKED_IN,
    }:
        return Method.REQUEST
    if notice.kind in {NoticeKind.CANCELLED, NoticeKind.CALLED_OFF}:
        if ending(booking)["was"] not in {BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN}:
            return None
        # A party has one entry: a mail that comes late must not take the places out of it that it has by now.
        has_others = booking.party.bookings.filter(status=BookingStatus.CONFIRMED).exists()
        return None if has_others else Method.CANCEL
    return None
