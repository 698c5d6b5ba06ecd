"""Why a party was asked, or not yet: its own events and what its lines decided, newest first."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, OuterRef

from bookings.domain.offers import in_last_call
from bookings.domain.swaps import SWAPPED
from bookings.domain.visit import comes_as
from bookings.domain.waitlist import SAID_YES_ELSEWHERE, WAITS_FOR_ALL
from bookings.models import Booking, BookingEvent, BookingStatus, Decision, DecisionReason, OfferSource, Party
from portal.views.visit_state import Line

MOST_ENTRIES = 12


class Entry(NamedTuple):
    """One sentence of ``templates/portal/visit/_why.html``, told by its kind."""

    at: datetime
    kind: str
    booking: Booking
    places: int = 0
    number: int | None = None


def why_log(party: Party, lines: Sequence[Line]) -> list[Entry]:
    """Two queries, however long the lines and the histories are."""
    # At one moment, what a line decided follows from what the party did, so it stands above it.
    entries = [*_of_lines(party, [line.booking for line in lines]), *_own(party)]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:MOST_ENTRIES]


def _own(party: Party) -> Iterator[Entry]:
    events = BookingEvent.objects.filter(booking__party=party).select_related("booking__session__venue")
    for event in events.order_by("-happened_at", "-pk")[:MOST_ENTRIES]:
        booking = event.booking
        kind, places = event.to_status.replace(" ", "_").replace("-", "_"), booking.places
        if people := comes_as(event):
            kind, places = "fewer", people
        elif event.from_status == event.to_status:
            kind = "changed"
        elif event.why == WAITS_FOR_ALL:
            kind = "waits_for_all"
        elif event.why == SAID_YES_ELSEWHERE:
            kind = "superseded"
        elif event.why.startswith(SWAPPED):
            kind = "swapped_in" if event.to_status == BookingStatus.OFFERED else "swapped_away"
        elif event.to_status == BookingStatus.WAITING and event.from_status:
            kind = "requeued"
        elif event.to_status == BookingStatus.OFFERED and booking.offer_source == OfferSource.SIGN_UP:
            kind = "kept"
        elif event.to_status == BookingStatus.CONFIRMED and event.from_status == BookingStatus.CHECKED_IN:
            kind = "undone"
        if event.who.startswith("host:") and kind in {"cancelled", "withdrawn", "declined"}:
            kind = "by_host"
        yield Entry(event.happened_at, kind, booking, places, booking.queue_number)


def _of_lines(party: Party, waiting: Sequence[Booking]) -> Iterator[Entry]:
    """What was decided in the lines the party stands in, since it asked, as far as it concerns the party."""
    own = {booking.session_id: booking for booking in waiting}
    lapsed_later = BookingEvent.objects.filter(
        booking=OuterRef("offered_to"),
        from_status=BookingStatus.OFFERED,
        to_status=BookingStatus.WAITING,
        happened_at__gte=OuterRef("decided_at"),
    )
    decisions = (
        Decision.objects.filter(session__in=own, decided_at__gte=party.asked_at)
        .annotate(lapsed_later=Exists(lapsed_later))
        .select_related("offered_to__party", "saved_for")
        .order_by("-decided_at", "-pk")
    )
    for decision in decisions[:MOST_ENTRIES]:
        booking = own[decision.session_id]
        asked, saved = decision.offered_to, decision.saved_for
        at, free = decision.decided_at, decision.places_free
        if asked and asked.pk != booking.pk:
            # Whoever let an offer lapse stands at the end now; the number it had then is gone.
            kind = "went_to_nobody" if decision.lapsed_later else _how_it_went(decision, asked, party, booking)
            yield Entry(at, kind, booking, asked.places, asked.queue_number)
        elif saved:
            kind = "saved_for_you" if saved.pk == booking.pk else "saved_before"
            yield Entry(at, kind, booking, free, saved.queue_number)
        elif decision.reason in {DecisionReason.TOO_LATE, DecisionReason.NO_FIT}:
            yield Entry(at, decision.reason.replace(" ", "_"), booking, free)


def _how_it_went(decision: Decision, asked: Booking, party: Party, booking: Booking) -> str:
    """Why another party was asked: its number, or else the one rule of the line that let it overtake."""
    if (asked.queue_number or 0) < (booking.queue_number or 0):
        return "went_before"
    if party.mailbox_proven_at is None or decision.decided_at < party.mailbox_proven_at:
        return "went_behind_unproven"
    if in_last_call(decision.decided_at, roster_locks_at=booking.session.roster_locks_at):
        if booking.places > decision.places_free:
            return "went_behind"
        if asked.party.short_notice and not party.short_notice:
            return "went_behind_short_notice"
    return "went_behind_offered"
