"""Whether a notice still says what is so, when its mail is about to leave."""

from datetime import datetime

from bookings.emails import changes_to_tell
from bookings.models import LIVE, Booking, BookingStatus, Notice, NoticeKind, NoticeStatus, OfferSource


def still_true(notice: Notice, now: datetime) -> bool:
    """Whether the notice says what is so at ``now``; what happened meanwhile has its own notice or needs none."""
    party, booking = notice.party, notice.booking
    if not party.email:
        return False
    match notice.kind:
        case NoticeKind.LINK:
            return True
        case NoticeKind.ALREADY_IN:
            return party.ended_at is None
        case NoticeKind.IN_LINE:
            return party.bookings.waiting().exists()
    if booking is None:
        return False
    session = booking.session
    match notice.kind:
        case NoticeKind.PROVE:
            return (
                booking.offer_source == OfferSource.SIGN_UP and not party.is_proven and _offer_stands(booking, now=now)
            )
        case NoticeKind.OFFER:
            ends = notice.facts.get("ends")
            same = ends is None or datetime.fromisoformat(ends) == booking.offer_expires_at
            return same and _offer_stands(booking, now=now)
        case NoticeKind.CONFIRMED | NoticeKind.SWAPPED:
            return booking.status in {BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN}
        case NoticeKind.RECALLED:
            return booking.status == BookingStatus.WAITING
        case NoticeKind.OFFER_LAPSED:
            return booking.status in {BookingStatus.WAITING, BookingStatus.LAPSED}
        case NoticeKind.REMINDER:
            start = notice.facts.get("starts_at")
            same = start is None or datetime.fromisoformat(start) == session.starts_at
            return same and booking.status == BookingStatus.CONFIRMED and now < session.starts_at
        case NoticeKind.CHANGED:
            return (
                booking.status in LIVE - {BookingStatus.NO_SHOW} and now < session.starts_at and _tells_a_change(notice)
            )
        case NoticeKind.CANCELLED:
            return booking.status in {BookingStatus.CANCELLED, BookingStatus.WITHDRAWN}
        case NoticeKind.CALLED_OFF:
            return booking.status == BookingStatus.CALLED_OFF
        case NoticeKind.LINE_CLOSED:
            return booking.status == BookingStatus.CLOSED
    return False


def _tells_a_change(notice: Notice) -> bool:
    """Not where a later mail tells it too, nor where all is again as the party knows it."""
    later = Notice.objects.filter(kind=NoticeKind.CHANGED, booking=notice.booking_id, pk__gt=notice.pk)
    has_or_will = later.filter(status__in=[NoticeStatus.QUEUED, NoticeStatus.SENDING, NoticeStatus.SENT])
    if notice.status != NoticeStatus.SENT and has_or_will.exists():
        return False
    return bool(changes_to_tell(notice)) or not notice.facts


def _offer_stands(booking: Booking, *, now: datetime) -> bool:
    ends = booking.offer_expires_at
    return booking.status == BookingStatus.OFFERED and ends is not None and now < ends
