"""How sessions and the machinery stand, as hosts read it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Min, Sum
from django.utils.functional import Promise

from bookings.models import (
    HOLDS_PLACES,
    Booking,
    BookingStatus,
    Heartbeat,
    Notice,
    NoticeStatus,
    SessionState,
    TourSession,
)

# The clock beats every half minute; this long without it and hosts are told.
SILENCE = timedelta(minutes=2)
TAG_OF_STATE = {
    SessionState.NOT_YET: "out",
    SessionState.PLACES: "free",
    SessionState.WAITLIST: "wait",
    SessionState.CLOSED: "out",
    SessionState.CALLED_OFF: "out",
}


class Bar(NamedTuple):
    """What the party marks show of a session, in parties."""

    confirmed: int
    offered: int
    free: int
    waiting: int
    unit: str = "parties"


class Tag(NamedTuple):
    kind: str
    words: str | Promise


class SessionLine(NamedTuple):
    session: TourSession
    tag: Tag
    bar: Bar
    people: int


@dataclass(frozen=True)
class SeasonFigures:
    lines: Sequence[SessionLine]
    confirmed: int
    parties: int
    offered: int
    oldest_offer: datetime | None
    waiting: int
    people: int
    places: int

    @property
    def called_off(self) -> int:
        return sum(line.session.called_off_at is not None for line in self.lines)


class Machinery(NamedTuple):
    """Whether somebody works: the clock's last beat, and the mails that wait or failed."""

    is_silent: bool
    seen_at: datetime | None
    mails_waiting: int
    oldest_mail: datetime | None
    mails_failed: int


def bar(session: TourSession) -> Bar:
    free = session.room_for(session.season.tour.smallest_party)
    return Bar(session.parties_confirmed, session.parties_offered, free, session.parties_waiting)


def tag(session: TourSession, *, now: datetime) -> Tag:
    state = session.state(now)
    return Tag(TAG_OF_STATE[state], state.label)


def season_figures(sessions: Iterable[TourSession], *, now: datetime) -> SeasonFigures:
    """From the ledgers, and one query more for the age of the oldest offer."""
    lines = [SessionLine(s, tag(s, now=now), bar(s), s.places_held) for s in sessions]
    held = [line for line in lines if line.session.called_off_at is None]
    offers = Booking.objects.filter(session__in=[line.session.pk for line in held], status=BookingStatus.OFFERED)
    return SeasonFigures(
        lines=lines,
        confirmed=sum(line.bar.confirmed for line in held),
        parties=sum(line.session.max_parties for line in held),
        offered=sum(line.bar.offered for line in held),
        oldest_offer=offers.aggregate(oldest=Min("status_since"))["oldest"],
        waiting=sum(line.bar.waiting for line in held),
        people=sum(line.people for line in held),
        places=sum(line.session.capacity for line in held),
    )


def machinery(*, now: datetime) -> Machinery:
    """Two queries."""
    seen_at = Heartbeat.objects.filter(name="clock").values_list("seen_at", flat=True).first()
    owed = Notice.objects.filter(status=NoticeStatus.QUEUED, next_attempt_at__lte=now)
    failed = Notice.objects.filter(status__in=[NoticeStatus.BOUNCED, NoticeStatus.DEAD])
    waiting = owed.aggregate(number=Count("pk"), oldest=Min("created_at"))
    return Machinery(
        is_silent=seen_at is None or now - seen_at > SILENCE,
        seen_at=seen_at,
        mails_waiting=waiting["number"],
        oldest_mail=waiting["oldest"],
        mails_failed=failed.count(),
    )


def touched(session: TourSession) -> dict[str, int]:
    """Parties by status, and people, that a change of the session concerns."""
    live = session.bookings.live()
    counts = dict(live.values_list("status").annotate(number=Count("pk")).order_by("status"))
    people = live.filter(status__in=HOLDS_PLACES).aggregate(people=Sum("places"))["people"] or 0
    return {
        "confirmed": counts.get(BookingStatus.CONFIRMED, 0),
        "offered": counts.get(BookingStatus.OFFERED, 0),
        "waiting": counts.get(BookingStatus.WAITING, 0),
        "people": people,
    }
