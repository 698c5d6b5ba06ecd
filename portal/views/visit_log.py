"""Why a party was asked, or not yet: its own events and what its lines decided, newest first."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from bookings.domain.explaining import last_serving, serving_in_words
from bookings.domain.offers import in_last_call, offer_ends
from bookings.domain.reconfirming import SILENT, STILL_COMING
from bookings.domain.sessions import MOVED_AWAY
from bookings.domain.swaps import SWAPPED
from bookings.domain.visit import comes_as
from bookings.domain.waitlist import SAID_YES_ELSEWHERE, WAITS_FOR_ALL
from bookings.models import Booking, BookingEvent, BookingStatus, Decision, DecisionReason, OfferSource
from portal.views.visit_state import LATEST_DECISIONS, Line, Standing, has_lapsed

MOST_ENTRIES = 12

# ``answer(kind, number=, size=)`` is an entry about what is free in a line at this moment.
Answer = Callable[..., "Entry"]


class Entry(NamedTuple):
    """One sentence of ``templates/portal/visit/_told.html``, told by its kind."""

    at: datetime
    kind: str
    booking: Booking
    places: int = 0
    number: int | None = None
    size: int = 0


class LineTold(NamedTuple):
    """A line with why it has not asked the party yet, and its last serving in one sentence."""

    line: Line
    why_not: Entry
    served: str
    served_at: datetime | None


class Log(NamedTuple):
    entries: Sequence[Entry]
    is_longer: bool  # than the entries that are shown
    lines: Sequence[LineTold]


def why_log(stands: Standing, *, now: datetime) -> Log:
    """No query: what is told was read with the standing."""
    of_lines = {line.booking.pk: list(_of_line(stands, line)) for line in stands.lines}
    # At one moment, what a line decided follows from what the party did, so it stands above it.
    entries = [*(entry for told in of_lines.values() for entry in told), *_own(stands)]
    entries.sort(key=lambda entry: entry.at, reverse=True)
    has_unread = any(
        len(line.decisions) == LATEST_DECISIONS and line.decisions[-1].decided_at >= line.joined_at
        for line in stands.lines
    )
    return Log(
        entries=entries[:MOST_ENTRIES],
        is_longer=has_unread or len(entries) > MOST_ENTRIES,
        lines=[_line_told(stands, line, of_lines[line.booking.pk], now=now) for line in stands.lines],
    )


def _line_told(stands: Standing, line: Line, told: Sequence[Entry], *, now: datetime) -> LineTold:
    session = line.booking.session
    return LineTold(
        line=line,
        why_not=_why_not(stands, line, told, now=now),
        served=serving_in_words(session, last_serving(line.decisions) if line.decisions else [], now=now),
        served_at=line.decisions[0].decided_at if line.decisions else None,
    )


def _own(stands: Standing) -> Iterator[Entry]:
    for event in reversed(stands.events):
        booking = event.booking
        kind, places = event.to_status.replace(" ", "_").replace("-", "_"), booking.places
        if people := comes_as(event):
            kind, places = "fewer", people
        elif event.from_status == event.to_status:
            kind = "still_coming" if event.why == STILL_COMING else "changed"
        elif event.who == "clock" and event.why == SILENT:
            kind = "silent"
        elif event.why == SAID_YES_ELSEWHERE:
            kind = "superseded"
        elif event.why.startswith(SWAPPED):
            kind = "swapped_in" if event.to_status == BookingStatus.OFFERED else "swapped_away"
        elif event.from_status == BookingStatus.OFFERED and event.to_status == BookingStatus.WAITING:
            kind = _why_again(event)
        elif event.to_status == BookingStatus.OFFERED and booking.offer_source == OfferSource.SIGN_UP:
            kind = "kept"
        elif event.to_status == BookingStatus.CONFIRMED and event.from_status == BookingStatus.CHECKED_IN:
            kind = "expected_again" if event.why == MOVED_AWAY else "undone"
        if event.who.startswith("host:") and kind in {"cancelled", "withdrawn", "declined"}:
            kind = "by_host"
        yield Entry(event.happened_at, kind, booking, places, booking.queue_number)


def _why_again(event: BookingEvent) -> str:
    """Why a party that was asked waits again: of its own doing, or else a host took the offer back."""
    if has_lapsed(event):
        return "requeued"
    return "waits_for_all" if event.why == WAITS_FOR_ALL else "recalled"


def _of_line(stands: Standing, line: Line) -> Iterator[Entry]:
    """What was decided in a line while the party stood in it, as far as it concerns the party."""
    for decision in line.decisions:
        if _waited(stands, line.booking, decision.decided_at):
            entry = _of_decision(stands, line.booking, decision)
            if entry:
                yield entry


def _of_decision(stands: Standing, booking: Booking, decision: Decision) -> Entry | None:
    asked, saved, at = decision.offered_to, decision.saved_for, decision.decided_at
    free = decision.places_free
    if decision.reason == DecisionReason.OFFERED:
        places = decision.places or free
        if asked is None:
            return Entry(at, "went", booking, places)
        if asked.pk == booking.pk:
            return None  # Its own event tells.
        if vars(decision)["lapsed_later"]:
            # Whoever let an offer lapse stands at the end now; the number it had then is gone.
            return Entry(at, "went_to_nobody", booking, places)
        if _has_new_number(stands, booking, since=at):
            return Entry(at, "went", booking, places)
        if _stands_before(asked, booking):
            return Entry(at, "went_before", booking, places, asked.queue_number)
        kind = _how_it_overtook(stands, booking, asked, decision)
        if kind == "went_behind":
            return Entry(at, kind, booking, free, asked.queue_number, booking.places)
        return Entry(at, kind, booking, places, asked.queue_number, booking.places)
    if decision.reason == DecisionReason.SAVED and saved:
        if saved.pk == booking.pk:
            some = booking.least < booking.places
            return Entry(at, "saved_for_you_some" if some else "saved_for_you", booking, free, size=booking.least)
        return Entry(at, _before_whom_it_was_saved(stands, booking, saved, at), booking, free, saved.queue_number)
    if decision.reason == DecisionReason.KEPT and not booking.first_call:
        return Entry(at, "kept_first_call", booking, decision.places or 0)
    if decision.reason in {DecisionReason.TOO_LATE, DecisionReason.NO_FIT}:
        return Entry(at, decision.reason.replace(" ", "_"), booking, free)
    return None


def _how_it_overtook(stands: Standing, booking: Booking, asked: Booking, decision: Decision) -> str:
    """Why a party behind was asked: the one rule of the line that let it overtake."""
    at, free = decision.decided_at, decision.places_free
    if not _was_proven(stands, at):
        return "went_behind_unproven"
    if _held_another_offer(stands, booking, at):
        return "went_behind_offered"
    if asked.first_call and not booking.first_call:
        return "went_first_call"
    if booking.is_too_large:
        return "went_behind_limit"
    if not in_last_call(at, roster_locks_at=booking.session.roster_locks_at):
        return "went"
    if booking.least > free:
        return "went_behind_waits_for_all" if stands.party.smallest_size <= free else "went_behind"
    if asked.short_notice and not booking.short_notice:
        return "went_behind_short_notice"
    return "went"


def _before_whom_it_was_saved(stands: Standing, booking: Booking, saved: Booking, at: datetime) -> str:
    if _stands_before(saved, booking) or _has_new_number(stands, booking, since=at):
        return "saved_before"
    if not _was_proven(stands, at):
        return "saved_behind_unproven"
    if _held_another_offer(stands, booking, at):
        return "saved_behind_offered"
    # Nothing else lets a party behind go first: where the limit takes this one in now, it was raised since.
    return "saved_first_call" if saved.first_call and not booking.first_call else "saved_behind_limit"


def _stands_before(other: Booking, booking: Booking) -> bool:
    return (other.queue_number or 0) < (booking.queue_number or 0)


def _was_proven(stands: Standing, at: datetime) -> bool:
    proven_at = stands.party.mailbox_proven_at
    return proven_at is not None and at >= proven_at


def _held_another_offer(stands: Standing, booking: Booking, at: datetime) -> bool:
    """Whether another of the party's bookings was offered at that moment, its ends included."""
    others = {event.booking_id for event in stands.events} - {booking.pk}
    return any(_was(BookingStatus.OFFERED, stands.events, pk, at) for pk in others)


def _waited(stands: Standing, booking: Booking, at: datetime) -> bool:
    return _was(BookingStatus.WAITING, stands.events, booking.pk, at)


def _was(status: BookingStatus, events: Sequence[BookingEvent], booking_pk: int, at: datetime) -> bool:
    """Whether the booking had this status at that moment, or came to it or left it just then."""
    since = None
    for event in events:
        if event.booking_id != booking_pk:
            continue
        if since is not None and since <= at <= event.happened_at:
            return True
        since = event.happened_at if event.to_status == status else None
    return since is not None and since <= at


def _has_new_number(stands: Standing, booking: Booking, *, since: datetime) -> bool:
    """Whether the party let an offer of this line lapse later; then the number it had is gone."""
    return any(
        event.booking_id == booking.pk and has_lapsed(event) and event.happened_at > since for event in stands.events
    )


def _why_not(stands: Standing, line: Line, told: Sequence[Entry], *, now: datetime) -> Entry:
    """Why this line does not ask the party at this moment: there is always one answer."""
    booking, session = line.booking, line.booking.session
    free = session.free(first_call=booking.first_call)
    answer: Answer = partial(Entry, now, booking=booking, places=free.places)
    if now >= session.roster_locks_at:
        return answer("is_locked")
    if not stands.party.is_proven:
        return answer("is_unproven")
    if not booking.in_line:
        return answer("is_offered_elsewhere")
    if booking.is_too_large:
        return answer("is_too_large", size=booking.least)
    if all(free):
        return _why_not_what_is_free(stands, line, answer, now=now)
    if session.places_kept:  # By now it is none of those it is kept for.
        return answer("kept_first_call", places=session.places_kept)
    newest = next((entry for entry in told if entry.kind.startswith("went") and entry.at >= booking.status_since), None)
    if newest:
        return newest
    return answer("nothing_since_joined" if booking.status_since <= line.joined_at else "nothing_since")


def _why_not_what_is_free(stands: Standing, line: Line, answer: Answer, *, now: datetime) -> Entry:
    booking, session = line.booking, line.booking.session
    free = session.free(first_call=booking.first_call).places
    if offer_ends(now, roster_locks_at=session.roster_locks_at, zone=session.venue.zone) is None:
        return answer("is_too_late")
    if in_last_call(now, roster_locks_at=session.roster_locks_at):
        if booking.least > free:
            waits = stands.party.smallest_size <= free
            return answer("is_waiting_for_all" if waits else "is_no_fit", size=booking.places)
        return answer("is_being_served")
    saved = line.decisions[0].saved_for if line.decisions else None
    if booking.least > free and (not line.ahead.parties or saved == booking):
        some = booking.least < booking.places
        return answer("saved_for_you_some" if some else "saved_for_you", size=booking.least)
    if saved and saved.in_line and saved != booking:
        kind = "saved_before" if _stands_before(saved, booking) else "saved_first_call"
        return answer(kind, number=saved.queue_number)
    return answer("is_being_served")
