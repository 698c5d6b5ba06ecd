"""How sessions and the machinery stand, as hosts read it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.utils.translation import gettext, ngettext, npgettext

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
# From so many down what is free is told as "only".
FEW = 4


class Bar(NamedTuple):
    """What the party marks show of a session: parties, or places where no limit of parties is tighter than places."""

    confirmed: int
    offered: int
    free: int
    waiting: int
    unit: str = "parties"


class Tag(NamedTuple):
    kind: str
    words: str


class SessionLine(NamedTuple):
    """One row of the overview. Its numbers count parties, also where the bar counts places."""

    session: TourSession
    tag: Tag
    bar: Bar
    people: int
    told: int  # parties that were in when the session was called off
    elsewhere: int  # and those of them that hold places in another one


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


def with_places_offered(sessions: QuerySet[TourSession]) -> QuerySet[TourSession]:
    """The ledger counts offers in parties; a bar of places needs their places as well."""
    return sessions.annotate(
        places_offered=Sum("bookings__places", filter=Q(bookings__status=BookingStatus.OFFERED), default=0)
    )


def bar(session: TourSession) -> Bar:
    """``session`` is one of ``with_places_offered``."""
    if session.max_parties >= session.capacity:
        offered = int(vars(session)["places_offered"])
        return Bar(session.places_held - offered, offered, session.places_free, session.parties_waiting, "places")
    free = session.room_for(session.season.tour.smallest_party)
    return Bar(session.parties_confirmed, session.parties_offered, free, session.parties_waiting)


def tag(session: TourSession, *, now: datetime) -> Tag:
    """The state in a word or two, as visitors read it."""
    state, stands = session.state(now), bar(session)
    if state == SessionState.WAITLIST:
        return Tag("wait", gettext("Waitlist"))
    if state != SessionState.PLACES:
        return Tag("out", str(state.label))
    if stands.free <= FEW:
        return Tag("few", _only(stands) % {"n": stands.free})
    return Tag("free", _free(stands) % {"n": stands.free})


def _only(stands: Bar) -> str:
    if stands.unit == "places":
        return npgettext("places", "Only %(n)s left", "Only %(n)s left", stands.free)
    return ngettext("Only %(n)s left", "Only %(n)s left", stands.free)


def _free(stands: Bar) -> str:
    if stands.unit == "places":
        return npgettext("places", "%(n)s free", "%(n)s free", stands.free)
    return ngettext("%(n)s free", "%(n)s free", stands.free)


def season_figures(sessions: Iterable[TourSession], *, now: datetime) -> SeasonFigures:
    """From the ledgers, and two queries more: the age of the oldest offer, and what became of who was called off."""
    sessions = list(sessions)
    called_off = _what_became([session.pk for session in sessions if session.called_off_at])
    lines = [SessionLine(s, tag(s, now=now), bar(s), s.places_held, *called_off.get(s.pk, (0, 0))) for s in sessions]
    held = [line for line in lines if line.session.called_off_at is None]
    offers = Booking.objects.filter(session__in=[line.session.pk for line in held], status=BookingStatus.OFFERED)
    return SeasonFigures(
        lines=lines,
        confirmed=sum(line.session.parties_confirmed for line in held),
        parties=sum(line.session.max_parties for line in held),
        offered=sum(line.session.parties_offered for line in held),
        oldest_offer=offers.aggregate(oldest=Min("status_since"))["oldest"],
        waiting=sum(line.session.parties_waiting for line in held),
        people=sum(line.people for line in held),
        places=sum(line.session.capacity for line in held),
    )


def _what_became(called_off: Sequence[int]) -> dict[int, tuple[int, int]]:
    """For each session the parties that were in it when it was called off, and how many hold places elsewhere."""
    elsewhere = Q(party__bookings__status__in=HOLDS_PLACES)
    rows = (
        Booking.objects.filter(session__in=called_off, status=BookingStatus.CALLED_OFF)
        .values("session")
        .annotate(told=Count("party", distinct=True), moved=Count("party", filter=elsewhere, distinct=True))
    )
    return {row["session"]: (row["told"], row["moved"]) for row in rows}


def machinery(*, now: datetime) -> Machinery:
    """Three queries. A mail waits when its turn has come, when a try has failed, and when its sender was lost."""
    seen_at = Heartbeat.objects.filter(name="clock").values_list("seen_at", flat=True).first()
    owed = Notice.objects.filter(
        Q(status=NoticeStatus.QUEUED) & (Q(next_attempt_at__lte=now) | ~Q(last_error=""))
        | Q(status=NoticeStatus.SENDING, lease_until__lte=now)
    )
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
