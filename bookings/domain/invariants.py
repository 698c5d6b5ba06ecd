"""What must be true of the data at any moment; safe to run in production. Source: DESIGN part 6."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Q, Sum
from django.db.models.functions import Coalesce

from bookings.domain.first_call import Kept, seasons_that_forgot, sessions_that_keep_too_much
from bookings.domain.offers import offer_ends
from bookings.domain.reconfirming import AGAIN, RELEASED_AFTER, SILENT
from bookings.domain.waitlist import next_in_line
from bookings.models import (
    HOLDS_PLACES,
    LIVE,
    Booking,
    BookingEvent,
    BookingStatus,
    Notice,
    NoticeKind,
    Party,
    TourSession,
)

# The clock runs every few seconds; what is this much overdue has been forgotten.
PATIENCE = timedelta(minutes=10)


def broken_promises(*, now: datetime) -> Iterator[str]:
    """One sentence, with references and no personal data, for each promise that the rows do not keep."""
    yield from _ledgers_that_differ()
    yield from _lines_that_differ()
    yield from _parties_with_a_wrong_end()
    yield from _holds_that_say_nothing()
    yield from _histories_that_differ()
    yield from _offers_forgotten(now)
    yield from _places_left_idle(now)
    yield from _dead_sessions_with_bookings()
    yield from _first_calls_forgotten(now)
    yield from _first_calls_cut_short(now)
    yield from _places_kept_too_long(now)
    yield from _released_without_two_mails()
    yield from _notices_stuck(now)


def _ledgers_that_differ() -> Iterator[str]:
    holding = Q(bookings__status__in=HOLDS_PLACES)
    in_line = Q(bookings__status=BookingStatus.WAITING, bookings__party__mailbox_proven_at__isnull=False)
    sessions = TourSession.objects.annotate(
        places=Coalesce(Sum("bookings__places", filter=holding), 0),
        parties=Count("bookings", filter=holding),
        offers=Count("bookings", filter=Q(bookings__status=BookingStatus.OFFERED)),
        waiting=Count("bookings", filter=in_line),
    )
    differing = sessions.exclude(
        places_held=F("places"), parties_held=F("parties"), parties_offered=F("offers"), parties_waiting=F("waiting")
    )
    ledger = ["places_held", "parties_held", "parties_offered", "parties_waiting"]
    for pk, *told in differing.values_list("pk", *ledger, "places", "parties", "offers", "waiting"):
        yield f"session {pk}: the ledger (places, parties, offers, waiting) says {told[:4]}, the rows say {told[4:]}"


def _lines_that_differ() -> Iterator[str]:
    """The line is the waiting bookings of proven parties that hold no live offer."""
    offered = Booking.objects.filter(party=OuterRef("party"), status=BookingStatus.OFFERED)
    stands = Q(status=BookingStatus.WAITING, party__mailbox_proven_at__isnull=False) & ~Exists(offered)
    for pk in Booking.objects.filter(stands, in_line=False).values_list("pk", flat=True):
        yield f"booking {pk}: waits, but does not stand in the line"
    for pk in Booking.objects.filter(in_line=True).exclude(stands).values_list("pk", flat=True):
        yield f"booking {pk}: stands in the line, but may not be asked"


def _parties_with_a_wrong_end() -> Iterator[str]:
    counted = Party.objects.annotate(live=Count("bookings", filter=Q(bookings__status__in=LIVE)))
    wrong = counted.filter(
        Q(ended_at=None, first_call_until=None, live=0) | Q(ended_at__isnull=False, erased_at=None, live__gt=0)
    )
    for pk, live, ended_at in wrong.values_list("pk", "live", "ended_at"):
        yield f"party {pk}: {live} live bookings, but {'ended' if ended_at else 'not ended'}"


def _holds_that_say_nothing() -> Iterator[str]:
    """A hold of a network is had by an unproven party for as long as places are kept for it."""
    kept = Booking.objects.filter(party=OuterRef("pk"), status=BookingStatus.OFFERED)
    having = Party.objects.exclude(network_hold=None)
    for pk in having.filter(~Q(mailbox_proven_at=None) | ~Q(erased_at=None)).values_list("pk", flat=True):
        yield f"party {pk}: has a hold of its network, but needs none"
    unproven = having.live().filter(mailbox_proven_at=None)
    for pk in unproven.exclude(Exists(kept)).values_list("pk", flat=True):
        yield f"party {pk}: has a hold of its network, but no places are kept for it"


def _histories_that_differ() -> Iterator[str]:
    last = BookingEvent.objects.order_by("booking", "-pk").values_list("booking", "to_status", "booking__status")
    seen = None
    for booking, told, status in last.iterator():
        if booking != seen and told != status:
            yield f"booking {booking}: is {status}, but its history ends with {told}"
        seen = booking
    for pk in Booking.objects.filter(events=None).values_list("pk", flat=True):
        yield f"booking {pk}: has no history"


def _offers_forgotten(now: datetime) -> Iterator[str]:
    for booking in Booking.objects.offers_due(now - PATIENCE):
        yield f"booking {booking.pk}: its offer ran out and was never taken back"


def _places_left_idle(now: datetime) -> Iterator[str]:
    for session in TourSession.objects.with_idle_places(now).select_related("season__tour", "venue"):
        too_late = offer_ends(now, roster_locks_at=session.roster_locks_at, zone=session.venue.zone) is None
        waits = next_in_line(session, now=now).booking
        if waits and not too_late:
            yield f"session {session.pk}: {session.places_free} places lie idle while booking {waits.pk} waits"


def _dead_sessions_with_bookings() -> Iterator[str]:
    alive = LIVE - {BookingStatus.NO_SHOW}
    for booking in Booking.objects.filter(session__called_off_at__isnull=False, status__in=alive):
        yield f"booking {booking.pk}: is {booking.status} in a session that was called off"


def _first_calls_forgotten(now: datetime) -> Iterator[str]:
    for party in Party.objects.filter(first_call_until__lte=now - PATIENCE):
        yield f"party {party.pk}: its first call ran out and was never ended"


def _first_calls_cut_short(now: datetime) -> Iterator[str]:
    for season in seasons_that_forgot(now=now):
        yield f"season {season.pk}: keeps no places any more while first calls stand in it"


def _places_kept_too_long(now: datetime) -> Iterator[str]:
    for session, wanted in sessions_that_keep_too_much(now=now - PATIENCE):
        if _was_touched_lately(session.season_id, now=now):
            continue  # What is kept follows in a transaction of its own.
        kept = Kept(session.places_kept, session.parties_kept)
        yield f"session {session.pk}: keeps {_in_words(kept)}, while first call wants {_in_words(wanted)} at most"


def _was_touched_lately(season_pk: int, *, now: datetime) -> bool:
    """Whether a party of the season did something, or has ended, a moment ago."""
    events = BookingEvent.objects.filter(booking__session__season=season_pk, happened_at__gt=now - PATIENCE)
    return events.exists() or Party.objects.filter(season=season_pk, ended_at__gt=now - PATIENCE).exists()


def _in_words(kept: Kept) -> str:
    return f"{kept.places} places for {kept.parties} parties"


def _released_without_two_mails() -> Iterator[str]:
    """Places given up for silence: the party was asked twice, the second time a day before at the latest."""
    asks = Notice.objects.filter(kind=NoticeKind.STILL_COMING, booking=OuterRef("booking"))
    first, second = asks.exclude(facts__has_key=AGAIN), asks.filter(facts__has_key=AGAIN)
    was_asked = Exists(first.filter(sent_at__isnull=False)) & Exists(
        second.filter(sent_at__lte=OuterRef("happened_at") - RELEASED_AFTER)
    )
    released = BookingEvent.objects.filter(to_status=BookingStatus.CANCELLED, who="clock", why=SILENT)
    for event in released.exclude(was_asked):
        yield f"booking {event.booking_id}: was given up for silence without two mails that asked"


def _notices_stuck(now: datetime) -> Iterator[str]:
    for notice in Notice.objects.filter(status="sending", lease_until__lte=now - PATIENCE):
        yield f"notice {notice.pk}: was claimed and never settled"
