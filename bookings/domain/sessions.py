"""What a host does to a session as a whole; whoever is touched hears of it."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet, Sum, TextChoices
from django.utils.translation import gettext_lazy as _

from bookings import outbox
from bookings.domain import first_call, waitlist
from bookings.domain.errors import BookingError
from bookings.domain.locks import for_each, in_one_transaction, lock_everybody
from bookings.models import (
    LIVE,
    Booking,
    BookingStatus,
    DecisionTrigger,
    NoticeKind,
    OfferSource,
    Party,
    TourSession,
)

# Why a booking waits again, as its history tells: the host took the offer back.
RECALLED = "recalled"
# Why a party that was checked in is expected again: its session takes place on another day.
MOVED_AWAY = "moved to another day"

# What ends with its session, also at the gate: it is called off before it begins, so nobody has had the visit. Whoever
# was missed before the session was given a later time stays so.
UNTIL_CALLED_OFF = LIVE - {BookingStatus.NO_SHOW}
# The places of these are theirs: they have first call elsewhere.
COMES = frozenset({BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN})


class OffersOut(TextChoices):
    """What becomes of offers that stand when the limits are lowered under them."""

    HONOUR = "honour", _("Honour the offers: every party keeps its own until it ends")
    RECALL = "recall", _("Take offers back, the newest first, until the new limits hold")


class AlreadyCalledOff(BookingError):
    message = _("This session is called off already.")


class AlreadyBegun(BookingError):
    message = _("This session has begun.")


class TimeHasPassed(BookingError):
    message = _("That time has passed already.")


class CapacityBelowHeld(BookingError):
    message = _("More is held than that. Lower “places given out at most” instead: then it shrinks as parties leave.")


class OffersBeyondLimits(BookingError):
    message = _(
        "More is held than that, with the places that are offered now. Take offers back, or lower “places given out at "
        "most” instead: then it shrinks as parties leave."
    )


class LimitAboveCapacity(BookingError):
    message = _("Neither the places given out nor the parties can be more than the capacity.")


class ReasonMissing(BookingError):
    message = _("Say why: the reason is shown to everybody who is touched.")


@in_one_transaction
def call_off(session_pk: int, *, reason: object, now: datetime, who: str, besides: Collection[int] = ()) -> None:
    """Cancel the session: nothing is given any more, and everybody touched is told, with the reason, or nobody.

    ``reason`` is a text or a text per language. Waiting parties keep their other choices; confirmed ones, also those
    that are at the gate already, stay live and have first call on the season's other sessions, those in ``besides``
    excepted, which are to be called off as well.
    Raises ReasonMissing, AlreadyCalledOff, AlreadyBegun.
    """
    if not str(reason).strip():
        raise ReasonMissing
    touched = Booking.objects.filter(session=session_pk, status__in=UNTIL_CALLED_OFF)
    confirmed = touched.filter(status__in=COMES)
    offered = touched.filter(status=BookingStatus.OFFERED)
    lines = lock_everybody(touched, session=session_pk, elsewhere=_lines_left_for(offered))
    session = lines.pop(session_pk)
    if session.called_off_at:
        raise AlreadyCalledOff
    if now >= session.starts_at:
        raise AlreadyBegun
    session.called_off_at, session.call_off_reason = now, reason
    session.calendar_sequence += 1
    session.save(update_fields=["called_off_at", "call_off_reason", "calendar_sequence"])
    losing = Party.objects.filter(pk__in=confirmed.values("party"))
    losing.update(calendar_sequence=F("calendar_sequence") + 1)
    until = first_call.first_call_ends(session, besides=besides, now=now)
    first_call.give(losing, session.season, until=until)
    ended = touched.end_all(BookingStatus.CALLED_OFF, now=now, who=who)
    told = {str(booking.pk): booking for booking in ended if booking.party.is_proven}
    outbox.post_all(NoticeKind.CALLED_OFF, told, now=now)
    waitlist.serve_all(lines.values(), now=now, trigger=DecisionTrigger.LEFT)
    waitlist.serve_what_is_kept_after(session.season_id, now=now)


def _lines_left_for(offers: QuerySet[Booking]) -> QuerySet[Booking]:
    """The bookings by which the parties of these offers wait elsewhere: without the offer they are in line again."""
    return Booking.objects.waiting().filter(party__in=offers.values("party"))


def end_first_calls(*, now: datetime) -> int:
    """The first calls that ran out are over: parties without a booking end, and what was kept goes to the lines and
    the public. Returns how many parties."""
    seasons = list(first_call.seasons_that_keep())
    due = Party.objects.filter(first_call_until__lte=now).values_list("pk", flat=True)
    ended = for_each(list(due), lambda pk: _end_first_call(pk, now=now))
    for season in seasons:
        with transaction.atomic():
            first_call.note_the_last(season.pk, now=now)
        waitlist.serve_what_is_kept(season.pk, now=now)
    return ended


@in_one_transaction
def _end_first_call(party_pk: int, *, now: datetime) -> bool:
    party = Party.objects.lock(party_pk)
    if party.first_call_until is None or first_call.has_first_call(party, now=now):
        return False
    first_call.end_for(party, now=now)
    return True


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


def check_limits(
    session: TourSession,
    *,
    capacity: int,
    max_parties: int,
    sell_limit: int,
    offers: OffersOut = OffersOut.HONOUR,
) -> None:
    """Raises CapacityBelowHeld, OffersBeyondLimits or LimitAboveCapacity."""
    offered = session.bookings.filter(status=BookingStatus.OFFERED).aggregate(places=Sum("places", default=0))
    if capacity < session.places_held - offered["places"] or max_parties < session.parties_confirmed:
        raise CapacityBelowHeld
    if offers == OffersOut.HONOUR and (capacity < session.places_held or max_parties < session.parties_held):
        raise OffersBeyondLimits
    if max(sell_limit, max_parties) > capacity:
        raise LimitAboveCapacity


@in_one_transaction
def resize(
    session_pk: int,
    *,
    capacity: int,
    max_parties: int,
    sell_limit: int,
    now: datetime,
    offers: OffersOut = OffersOut.HONOUR,
    who: str = "host",
) -> None:
    """Change the limits (places, parties, places). Nobody loses a place; what becomes free goes to the line first.

    Offers that stand beyond the new limits are honoured, or recalled until the limits hold. Raises CapacityBelowHeld
    if more is held than the new capacity or number of parties, OffersBeyondLimits if only because of offers that are
    to be honoured, and LimitAboveCapacity.
    """
    if offers == OffersOut.RECALL:
        standing = Booking.objects.filter(session=session_pk, status=BookingStatus.OFFERED)
        lines = lock_everybody(standing, session=session_pk, elsewhere=_lines_left_for(standing))
    else:
        lines = TourSession.objects.lock([session_pk])
    session = lines.pop(session_pk)
    check_limits(session, capacity=capacity, max_parties=max_parties, sell_limit=sell_limit, offers=offers)
    if offers == OffersOut.RECALL:
        _recall(session, max_parties=max_parties, sell_limit=sell_limit, now=now, who=who)
    session.capacity, session.max_parties, session.sell_limit = capacity, max_parties, sell_limit
    session.save(update_fields=["capacity", "max_parties", "sell_limit"])
    waitlist.serve(session, now=now, trigger=DecisionTrigger.CAPACITY)
    waitlist.serve_all(lines.values(), now=now, trigger=DecisionTrigger.RECALLED)


def _recall(session: TourSession, *, max_parties: int, sell_limit: int, now: datetime, who: str) -> None:
    """Take back offers until the limits hold, the newest first; of sign-ups not yet proven only if that is not enough.

    The caller holds the locks of the session, of the other sessions these parties wait for, and of the parties.
    """
    standing = session.bookings.filter(status=BookingStatus.OFFERED).select_related("party")
    newest_first = standing.order_by("-status_since", "-pk")
    for booking in sorted(newest_first, key=lambda booking: not booking.party.is_proven):
        if session.places_held <= sell_limit and session.parties_held <= max_parties:
            return
        booking.session = session
        _take_back(booking, now=now, who=who)
        session.refresh_ledger()


def _take_back(booking: Booking, *, now: datetime, who: str) -> None:
    """The party waits again, with the number it had before the offer, or a new one; no lapse is counted."""
    party = booking.party
    booking.move_to(
        BookingStatus.WAITING,
        now=now,
        who=who,
        why=RECALLED,
        queue_number=None if booking.queue_number else booking.session.take_queue_number(),
        places=party.size,
        least=max(booking.least, party.smallest_size),
    )
    key = f"{booking.pk}:{now.isoformat()}"
    if party.is_proven:
        outbox.post(NoticeKind.RECALLED, party, booking=booking, key=key, now=now)
    else:
        party.prove_by = now + waitlist.PROVE_WITHIN_AT_MOST
        party.save(update_fields=["prove_by"])
        facts = {"recalled": True}
        outbox.post(NoticeKind.IN_LINE, party, key=key, now=now, expires_at=party.prove_by, facts=facts)


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
    come and leave at the same times. An offer to which it leaves none is taken back, and counts as no lapse. Whoever
    is checked in already is expected again if the day at the gate is another one.
    Raises AlreadyCalledOff, AlreadyBegun or TimeHasPassed.
    """
    touched = Booking.objects.filter(session=session_pk)
    offered = touched.filter(status=BookingStatus.OFFERED)
    changing = touched.filter(status__in=[BookingStatus.OFFERED, BookingStatus.CHECKED_IN])
    lines = lock_everybody(changing, session=session_pk, elsewhere=_lines_left_for(offered))
    session = lines.pop(session_pk)
    check_move(session, starts_at=starts_at, now=now)
    day = session.be_there_at.date()
    times = {"starts_at": (session.starts_at, starts_at), "ends_at": (session.ends_at, ends_at)}
    facts = {name: old.isoformat() for name, (old, new) in times.items() if old != new}
    session.starts_at, session.ends_at, session.roster_locks_at = starts_at, ends_at, roster_locks_at
    if "starts_at" in facts:
        session.moved_at = now
    if facts:
        session.calendar_sequence += 1
    session.save(update_fields=["starts_at", "ends_at", "roster_locks_at", "moved_at", "calendar_sequence"])
    if session.be_there_at.date() != day:
        _expect_again(session, now=now, who=who)
    _shorten_offers(session, now=now, who=who)
    if "ends_at" in facts:
        outbox.follow_the_visit(session, ended_at=times["ends_at"][0])
    if facts:
        _tell_of_change(session.bookings.live().filter(party__mailbox_proven_at__isnull=False), facts, now=now)
    waitlist.serve_all([session, *lines.values()], now=now, trigger=DecisionTrigger.CAPACITY)


def _expect_again(session: TourSession, *, now: datetime, who: str) -> None:
    """A check-in is of its day. The caller holds the locks of the session and of these parties."""
    for booking in session.bookings.filter(status=BookingStatus.CHECKED_IN).select_related("party"):
        booking.move_to(BookingStatus.CONFIRMED, now=now, who=who, why=MOVED_AWAY)


def _tell_of_change(bookings: QuerySet[Booking], facts: dict[str, str], *, now: datetime) -> None:
    parties = Party.objects.filter(pk__in=bookings.values("party"))
    parties.lock_all()
    parties.update(calendar_sequence=F("calendar_sequence") + 1)
    told = bookings.select_related("party").order_by("status", "pk")
    keys = {f"{booking.pk}:{booking.party.calendar_sequence}": booking for booking in told}
    outbox.post_all(NoticeKind.CHANGED, keys, now=now, facts=facts)


def _shorten_offers(session: TourSession, *, now: datetime, who: str) -> None:
    """No offer stands past the lock. The mail of an offer named a deadline, so another goes out; that of a sign-up
    names one when it is sent."""
    ends = session.roster_locks_at
    standing = session.bookings.filter(status=BookingStatus.OFFERED, offer_expires_at__gt=ends)
    told = list(standing.exclude(offer_source=OfferSource.SIGN_UP).select_related("party"))
    standing.update(offer_expires_at=ends)
    for booking in told:
        if ends > now:
            waitlist.tell_of_offer(booking, ends=ends, now=now)
        elif not booking.offer_has_run_out(now):
            booking.session = session
            _take_back(booking, now=now, who=who)
