"""What a host does to a session as a whole; whoever is touched hears of it."""

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from bookings import outbox
from bookings.domain import waitlist
from bookings.domain.errors import BookingError
from bookings.domain.locks import for_each, in_one_transaction, lock_party
from bookings.models import LIVE, Booking, BookingStatus, DecisionTrigger, NoticeKind, OfferSource, Party, TourSession

# What ends with its session; who was there, or was missed, stays so.
UNTIL_CALLED_OFF = LIVE - {BookingStatus.CHECKED_IN, BookingStatus.NO_SHOW}


class AlreadyCalledOff(BookingError):
    message = _("This session is called off already.")


class AlreadyBegun(BookingError):
    message = _("This session has begun.")


class TimeHasPassed(BookingError):
    message = _("That time has passed already.")


class CapacityBelowHeld(BookingError):
    message = _("More is held than that. Lower “places given out at most” instead: then it shrinks as parties leave.")


class LimitAboveCapacity(BookingError):
    message = _("Neither the places given out nor the parties can be more than the capacity.")


class ReasonMissing(BookingError):
    message = _("Say why: the reason is shown to everybody who is touched.")


def call_off(session_pk: int, *, reason: object, now: datetime, who: str) -> None:
    """Cancel the session: nothing is given any more and everybody touched is told, with the reason.

    ``reason`` is a text or a text per language. Raises ReasonMissing, AlreadyCalledOff, AlreadyBegun.
    The session is marked in one transaction, each party follows in one of its own; ``finish_all_calling_off`` heals
    a crash.
    """
    if not str(reason).strip():
        raise ReasonMissing
    _mark_called_off(session_pk, reason=reason, now=now)
    finish_calling_off(session_pk, now=now, who=who)


def finish_calling_off(session_pk: int, *, now: datetime, who: str) -> None:
    for party_pk in list(Booking.objects.live().filter(session=session_pk).values_list("party", flat=True)):
        _call_off_booking(party_pk, session_pk, now=now, who=who)


def finish_all_calling_off(*, now: datetime) -> int:
    """The scan that heals what a crash left: end what still lives in sessions called off; returns how many sessions."""
    left = Booking.objects.filter(session__called_off_at__isnull=False, status__in=UNTIL_CALLED_OFF)
    pks = left.order_by("session").values_list("session", flat=True).distinct()
    return for_each(list(pks), lambda pk: _finish_calling_off(pk, now=now))


def _finish_calling_off(session_pk: int, *, now: datetime) -> bool:
    finish_calling_off(session_pk, now=now, who="clock")
    return True


@in_one_transaction
def _mark_called_off(session_pk: int, *, reason: object, now: datetime) -> None:
    session = TourSession.objects.lock([session_pk])[session_pk]
    if session.called_off_at:
        raise AlreadyCalledOff
    if now >= session.starts_at:
        raise AlreadyBegun
    session.called_off_at, session.call_off_reason = now, reason
    session.save(update_fields=["called_off_at", "call_off_reason"])


@in_one_transaction
def _call_off_booking(party_pk: int, session_pk: int, *, now: datetime, who: str) -> None:
    locked = lock_party(party_pk, also=[session_pk])
    bookings = locked.bookings()
    booking = next((booking for booking in bookings if booking.session_id == session_pk), None)
    if booking is None or booking.status not in UNTIL_CALLED_OFF:
        return
    if booking.holds_places:
        locked.party.raise_calendar_sequence()
    booking.move_to(BookingStatus.CALLED_OFF, now=now, who=who)
    if locked.party.is_proven:
        outbox.post(NoticeKind.CALLED_OFF, locked.party, booking=booking, key=str(booking.pk), now=now)
    others = [other.session for other in bookings if other.session_id != session_pk]
    waitlist.serve_all(others, now=now, trigger=DecisionTrigger.LEFT)


@in_one_transaction
def close_sign_up(session_pk: int, *, now: datetime) -> None:
    """Take nobody new; whoever is in line stays in line."""
    TourSession.objects.lock([session_pk])
    TourSession.objects.filter(pk=session_pk, closed_at=None).update(closed_at=now)


@in_one_transaction
def reopen_sign_up(session_pk: int, *, now: datetime) -> None:
    session = TourSession.objects.lock([session_pk])[session_pk]
    TourSession.objects.filter(pk=session_pk).update(closed_at=None)
    waitlist.serve(session, now=now, trigger=DecisionTrigger.CAPACITY)


def check_limits(session: TourSession, *, capacity: int, max_parties: int, sell_limit: int) -> None:
    """Raises CapacityBelowHeld or LimitAboveCapacity."""
    if capacity < session.places_held or max_parties < session.parties_held:
        raise CapacityBelowHeld
    if max(sell_limit, max_parties) > capacity:
        raise LimitAboveCapacity


@in_one_transaction
def resize(session_pk: int, *, capacity: int, max_parties: int, sell_limit: int, now: datetime) -> None:
    """Change the limits (places, parties, places). Nobody loses a place; what becomes free goes to the line first.

    Raises CapacityBelowHeld if more is held than the new capacity or number of parties, and LimitAboveCapacity.
    """
    session = TourSession.objects.lock([session_pk])[session_pk]
    check_limits(session, capacity=capacity, max_parties=max_parties, sell_limit=sell_limit)
    session.capacity, session.max_parties, session.sell_limit = capacity, max_parties, sell_limit
    session.save(update_fields=["capacity", "max_parties", "sell_limit"])
    waitlist.serve(session, now=now, trigger=DecisionTrigger.CAPACITY)


def check_move(session: TourSession, *, starts_at: datetime, now: datetime) -> None:
    """Raises AlreadyCalledOff, AlreadyBegun or TimeHasPassed."""
    if session.called_off_at:
        raise AlreadyCalledOff
    if now >= session.starts_at:
        raise AlreadyBegun
    if starts_at <= now:
        raise TimeHasPassed


@in_one_transaction
def move(
    session_pk: int, *, starts_at: datetime, ends_at: datetime, roster_locks_at: datetime, now: datetime, who: str
) -> None:
    """Give the session another time; everybody who holds places or waits is told old and new.

    Another moment of the roster's lock alone is told only to whom it leaves less time to answer an offer: all others
    come and leave at the same times.
    Raises AlreadyCalledOff, AlreadyBegun or TimeHasPassed.
    """
    session = TourSession.objects.lock([session_pk])[session_pk]
    check_move(session, starts_at=starts_at, now=now)
    times = {"starts_at": (session.starts_at, starts_at), "ends_at": (session.ends_at, ends_at)}
    facts = {name: old.isoformat() for name, (old, new) in times.items() if old != new}
    session.starts_at, session.ends_at, session.roster_locks_at = starts_at, ends_at, roster_locks_at
    session.save(update_fields=["starts_at", "ends_at", "roster_locks_at"])
    for booking in session.bookings.filter(status=BookingStatus.OFFERED, offer_expires_at__gt=roster_locks_at):
        _shorten_offer(booking, ends=roster_locks_at, now=now)
    touched = session.bookings.live().filter(party__mailbox_proven_at__isnull=False).select_related("party")
    for booking in touched.order_by("party") if facts else []:
        party = Party.objects.lock(booking.party_id)
        party.raise_calendar_sequence()
        outbox.post(
            NoticeKind.CHANGED,
            party,
            booking=booking,
            key=f"{booking.pk}:{party.calendar_sequence}",
            now=now,
            facts=facts,
        )
    waitlist.serve(session, now=now, trigger=DecisionTrigger.CAPACITY)


def _shorten_offer(booking: Booking, *, ends: datetime, now: datetime) -> None:
    """The mail of an offer named a deadline, so another goes out; that of a sign-up names one when it is sent."""
    Booking.objects.filter(pk=booking.pk).update(offer_expires_at=ends)
    if booking.offer_source != OfferSource.SIGN_UP and ends > now:
        waitlist.tell_of_offer(booking, ends=ends, now=now)
