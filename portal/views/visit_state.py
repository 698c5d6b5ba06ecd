"""How a party's visit stands now: one state, and the facts its page tells. The sentences are in the templates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils.translation import gettext, pgettext

from bookings.domain.explaining import Outlook, SoFar, outlook, season_so_far
from bookings.domain.reconfirming import SILENT
from bookings.domain.retention import KEEP_PARTY
from bookings.domain.swaps import wishes_around_a_booking
from bookings.durations import time_left
from bookings.models import (
    ENDED,
    Ahead,
    Booking,
    BookingEvent,
    BookingStatus,
    Decision,
    Member,
    OfferSource,
    Party,
    SessionState,
    TourSession,
    Venue,
    parties_ahead,
)
from bookings.models.compiled import Given, compiled
from bookings.models.listed import Listed
from bookings.models.parties import parties_of_code
from portal import kept
from portal.templatetags.times import venue_short_date, venue_time
from portal.views.host_rows import season_of, venue_of
from portal.views.session_words import SessionWords, describe_all

# So many of what a line decided are read; its page tells no more of it.
LATEST_DECISIONS = 13

EVENT_FIELDS = ("id", "from_status", "to_status", "happened_at", "who", "why")

# Why a booking waits again, as its history tells: its party let an offer lapse.
LAPSED = "lapsed"

# States in which the sheets that follow the sign begin with the line and its reasons, not with the day of the visit.
LOOKS_BACK = frozenset({"waiting", "requeued", "prove_line"})

# What a party ends itself, unless a host does it for the party.
ENDED_BY_PARTY = frozenset({"cancelled", "declined", "withdrawn"})

STATE_OF_ENDED = {
    BookingStatus.WITHDRAWN: "withdrawn",
    BookingStatus.DECLINED: "declined",
    BookingStatus.LAPSED: "lapsed",
    BookingStatus.CANCELLED: "cancelled",
    BookingStatus.SUPERSEDED: "withdrawn",
    BookingStatus.DROPPED: "dropped",
    BookingStatus.CLOSED: "line_closed",
    BookingStatus.EXCLUDED: "withdrawn",
    BookingStatus.CALLED_OFF: "called_off",
}


class Step(NamedTuple):
    word: str
    when: str
    state: str  # done, now or next


class Line(NamedTuple):
    """A line the party stands in; ``words`` is the session as its own page tells it."""

    booking: Booking
    ahead: Ahead
    words: SessionWords
    outlook: Outlook | None
    joined_at: datetime
    decisions: Sequence[Decision]  # the latest of its session, newest first


@dataclass(frozen=True)
class Standing:
    """One state of ``templates/portal/visit/_<state>.html``; ``booking`` is the one that the sign speaks of."""

    party: Party
    state: str
    booking: Booking | None
    held: Booking | None  # confirmed places beside an offer for others
    lines: Sequence[Line]
    events: Sequence[BookingEvent]  # of all its bookings, oldest first
    deadline: datetime | None
    left: str  # until the deadline, in words
    has_begun: bool  # the session of the booking
    can_cancel: bool
    steps: Sequence[Step]
    has_swap_wishes: bool  # whether the party wishes another session than that of the booking, or somebody wishes that

    @property
    def session(self) -> TourSession | None:
        return self.booking.session if self.booking else None

    @property
    def line(self) -> Line | None:
        """The line of the first choice."""
        return self.lines[0] if self.lines else None

    @property
    def may_get_places(self) -> bool:
        """Whether proving the mailbox may bring places at once: a line it stands in has room for newcomers."""
        return any(line.words.state == SessionState.PLACES for line in self.lines)

    @property
    def looks_back(self) -> bool:
        return self.state in LOOKS_BACK

    @property
    def shows_code(self) -> bool:
        return self.state in {"confirmed", "checked_in"}

    @property
    def shows_day(self) -> bool:
        """Whether the day of the visit still lies before the party."""
        return not self.has_ended

    @property
    def can_change(self) -> bool:
        changes = {"prove_places", "prove_line", "offered", "waiting", "requeued", "confirmed"}
        return self.state in changes and not self.has_begun

    @property
    def has_ended(self) -> bool:
        return self.state in {*STATE_OF_ENDED.values(), "by_host", "silent", "no_show", "over", "erased"}

    @property
    def keeps_days(self) -> int:
        """Days after its last session until the party is erased."""
        return KEEP_PARTY.days


class History(NamedTuple):
    """What is told of a party: its bookings by preference, all their events, oldest first, and who comes with it."""

    bookings: Sequence[Booking]
    events: Sequence[BookingEvent]
    members: Sequence[Member]


def party_and_history(code: str) -> tuple[Party | None, History | None]:
    """In one statement, for nearly every party has asked for something and still has it in its history."""
    rows = _rows_of_code(code=code)
    if not rows:
        return next(iter(parties_of_code(code=code)), None), None
    party = rows[0].party
    party.season = season_of(party.season_id)
    members = sorted((Member(party=party, **told) for told in vars(rows[0])["members"] or []), key=_position)
    return party, _history(party, rows)._replace(members=members)


@compiled
def _rows_of_code() -> QuerySet[Booking]:
    members = Member.objects.filter(party=OuterRef("party")).values("position", "name", "age_from", "age_to")
    of_code = Booking.objects.filter(party__code=Given("code")).select_related("party", "session")
    return _rows_of(of_code).annotate(members=Listed(members))


def standing(party: Party, *, now: datetime, history: History | None = None) -> Standing:
    """Asks the database as often for a party in a long line as for one alone. ``history`` is what was just read."""
    history = history or _history(party, _rows_of(party.bookings.select_related("session")))
    bookings, events = history.bookings, history.events
    live = [booking for booking in bookings if booking.status not in ENDED]
    state, booking = _state(party, bookings, live, events, now=now)
    deadline = _deadline(party, booking, state)
    confirmed = [each for each in live if each.status == BookingStatus.CONFIRMED]
    return Standing(
        party=party,
        state=state,
        booking=booking,
        held=next((each for each in confirmed if each is not booking), None),
        lines=_lines(party, live, events, now=now),
        events=events,
        deadline=deadline,
        left=_left(deadline, now=now) if deadline else "",
        has_begun=booking is not None and now >= booking.session.starts_at,
        can_cancel=state != "erased" and any(now < each.session.starts_at for each in confirmed),
        steps=_steps(
            party, booking, state, [e for e in events if booking is not None and e.booking_id == booking.pk], now=now
        ),
        has_swap_wishes=booking is not None and vars(booking)["has_swap_wishes"],
    )


def _rows_of(bookings: QuerySet[Booking]) -> QuerySet[Booking]:
    """The bookings by preference, with their sessions: a row for each event."""
    of_events = {f"event_{name}": F(f"events__{name}") for name in EVENT_FIELDS}
    told = bookings.annotate(has_swap_wishes=Exists(wishes_around_a_booking()), **of_events)
    return told.order_by("preference", "pk")


def _history(party: Party, rows: Iterable[Booking]) -> History:
    bookings: dict[int, Booking] = {}
    events: list[BookingEvent] = []
    for row in rows:
        booking = bookings.setdefault(row.pk, row)
        if booking is row:
            booking.party, booking.session.season = party, party.season
            booking.session.venue = venue_of(booking.session.venue_id)
        told = {name: vars(row)[f"event_{name}"] for name in EVENT_FIELDS}
        if told["id"] is not None:
            events.append(BookingEvent(booking=booking, **told))
    return History(list(bookings.values()), sorted(events, key=lambda event: (event.happened_at, event.pk)), [])


def _position(member: Member) -> int:
    return member.position


def _state(
    party: Party, bookings: Sequence[Booking], live: Sequence[Booking], events: Sequence[BookingEvent], *, now: datetime
) -> tuple[str, Booking | None]:
    """What matters most comes first: an answer that is awaited, then the visit, then the line, then the end."""
    if party.erased_at or not bookings:
        return "erased", None
    by_status = {booking.status: booking for booking in reversed(live)}
    offered = by_status.get(BookingStatus.OFFERED)
    if offered and not offered.offer_has_run_out(now):
        unproven = offered.offer_source == OfferSource.SIGN_UP and not party.is_proven
        return ("prove_places" if unproven else "offered"), offered
    if here := by_status.get(BookingStatus.CHECKED_IN):
        return ("over" if now >= here.session.ends_at else "checked_in"), here
    if confirmed := by_status.get(BookingStatus.CONFIRMED):
        return ("over" if now >= confirmed.session.ends_at else "confirmed"), confirmed
    if missed := by_status.get(BookingStatus.NO_SHOW):
        return "no_show", missed
    if waiting := by_status.get(BookingStatus.WAITING):
        if not party.is_proven:
            return "prove_line", waiting
        requeued = has_lapsed(events[-1]) and events[-1].booking_id in {b.pk for b in live}
        if requeued:
            return "requeued", next(b for b in live if b.pk == events[-1].booking_id)
        return "waiting", waiting
    if offered:
        return "lapsed", offered  # The clock has not come by yet.
    last = max(bookings, key=lambda booking: (booking.status_since, -booking.preference))
    state = STATE_OF_ENDED[BookingStatus(last.status)]
    ended = next((event for event in reversed(events) if event.booking_id == last.pk), None)
    if ended and state in ENDED_BY_PARTY and ended.who.startswith("host:"):
        return "by_host", last
    return ("silent" if ended and (ended.who, ended.why) == ("clock", SILENT) else state), last


def has_lapsed(event: BookingEvent) -> bool:
    """Whether the party stands at the end of its line since then, with a new number, for want of an answer."""
    return event.to_status == BookingStatus.WAITING and event.why == LAPSED


def _deadline(party: Party, booking: Booking | None, state: str) -> datetime | None:
    """To the minute below, so that what is shown is never later than what is enforced."""
    at = party.prove_by if state == "prove_line" else booking.offer_expires_at if booking else None
    return at.replace(second=0, microsecond=0) if at else None


def _left(deadline: datetime, *, now: datetime) -> str:
    return time_left(deadline, now=now) if now + timedelta(minutes=1) <= deadline else gettext("less than a minute")


def _lines(party: Party, live: Sequence[Booking], events: Sequence[BookingEvent], *, now: datetime) -> list[Line]:
    """Two queries for each line, and at most two for all of them."""
    waiting = [booking for booking in live if booking.status == BookingStatus.WAITING]
    if not waiting:
        return []
    words = describe_all([booking.session for booking in waiting], now=now, is_in=True)
    so_far = _season_so_far(party.season_id)
    joined = {event.booking_id: event.happened_at for event in reversed(events)}
    lines = []
    for booking, told in zip(waiting, words, strict=True):
        ahead = parties_ahead(booking, now=now)
        lines.append(
            Line(
                booking=booking,
                ahead=ahead,
                words=told,
                outlook=outlook(booking.session, ahead, so_far, now=now),
                joined_at=joined.get(booking.pk, booking.status_since),
                decisions=_latest_decisions(booking.session_id),
            )
        )
    return lines


@kept.for_a_second
def _season_so_far(season_pk: int) -> SoFar:
    return season_so_far(season_of(season_pk))


@kept.for_a_second
def _latest_decisions(session_pk: int) -> list[Decision]:
    """The same for everybody in the line, so read once a second; a party's own events tell what it did just now.

    With ``lapsed_later`` for an offer that was not answered: its party stands at the end of the line now.
    """
    lapsed_later = BookingEvent.objects.filter(
        booking=OuterRef("offered_to"),
        from_status=BookingStatus.OFFERED,
        to_status=BookingStatus.WAITING,
        why=LAPSED,
        happened_at__gte=OuterRef("decided_at"),
    )
    decisions = Decision.objects.filter(session=session_pk).annotate(lapsed_later=Exists(lapsed_later))
    newest = decisions.select_related("offered_to", "saved_for").order_by("-decided_at", "-pk")
    return list(newest[:LATEST_DECISIONS])


def _step_moment(moment: datetime, venue: Venue, *, now: datetime) -> str:
    time = venue_time(moment, venue)
    if moment.astimezone(venue.zone).date() == now.astimezone(venue.zone).date():
        return time
    return f"{venue_short_date(moment, venue)} {time}"


def _steps(
    party: Party, booking: Booking | None, state: str, events: Sequence[BookingEvent], *, now: datetime
) -> list[Step]:
    if booking is None:
        return []
    venue = booking.session.venue
    passages = [event for event in events if event.from_status not in {event.to_status, BookingStatus.CHECKED_IN}]
    reached = {event.to_status: venue_short_date(event.happened_at, venue) for event in passages}
    asked = Step(pgettext("step", "Asked"), venue_short_date(party.asked_at, venue), "done")
    visit = Step(pgettext("step", "Visit"), venue_short_date(booking.session.starts_at, venue), "next")
    offered = pgettext("step", "Offered")
    confirmed = pgettext("step", "Confirmed")
    if state in {"prove_places", "offered"} and booking.offer_expires_at:
        until = gettext("until %(moment)s") % {"moment": _step_moment(booking.offer_expires_at, venue, now=now)}
        return [asked, Step(offered, until, "now"), Step(confirmed, "", "next"), visit]
    if state in LOOKS_BACK:
        number = gettext("number %(number)s") % {"number": booking.queue_number}
        return [asked, Step(pgettext("step", "Waiting"), number, "now"), Step(offered, "", "next"), visit]
    past = [
        Step(word, reached[status], "done")
        for status, word in ((BookingStatus.OFFERED, offered), (BookingStatus.CONFIRMED, confirmed))
        if status in reached
    ]
    if state == "confirmed":
        return [asked, *past[:-1], past[-1]._replace(state="now"), visit]
    if state in {"checked_in", "over"}:
        return [asked, *past, visit._replace(state="now")]
    # An offer that ran out stays one until the clock comes by.
    ended = BookingStatus.LAPSED if state == "lapsed" else BookingStatus(booking.status)
    since = booking.offer_expires_at or booking.status_since
    return [asked, *past, Step(str(ended.label).capitalize(), venue_short_date(since, venue), "now")]
