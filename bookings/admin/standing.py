"""How sessions and the machinery stand, as hosts read it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from django.db.models import Case, Count, Exists, Min, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce

from bookings import outbox, tallies
from bookings.domain.explaining import last_servings, serving_in_words
from bookings.models import (
    HOLDS_PLACES,
    Booking,
    BookingStatus,
    Heartbeat,
    Lane,
    Notice,
    NoticeStatus,
    TourSession,
)
from bookings.tallies import Tag, Tally

# The clock beats every half minute; this long without it and hosts are told.
SILENCE = timedelta(minutes=2)
# So long after a mail became useless, or the visit it is about was over, nothing is left to do about its failure.
FAILURE_MATTERS = timedelta(days=7)


class SessionLine(NamedTuple):
    """One row of the overview. Its numbers count parties, also where the bar counts places."""

    session: TourSession
    tag: Tag
    bar: Tally
    people: int
    told: int  # parties that were in when the session was called off
    elsewhere: int  # and those of them that hold places in another one
    served: str  # the last serving of its line in a sentence, until the roster locks


@dataclass(frozen=True)
class SeasonFigures:
    lines: Sequence[SessionLine]
    confirmed: int
    parties: int | None  # the most that may come; None where places are all that limits
    offered: int
    oldest_offer: datetime | None
    waiting: int
    people: int
    places: int

    @property
    def called_off(self) -> int:
        return sum(line.session.called_off_at is not None for line in self.lines)


class Waiting(NamedTuple):
    """Mails whose turn has come, which failed a try, or whose sender was lost."""

    number: int
    oldest: datetime | None


@dataclass(frozen=True)
class Machinery:
    """Whether somebody works: the clock's last beat, whether the mail server takes mail, and what waits too long."""

    now: datetime
    seen_at: datetime | None
    server_is_silent: bool
    late_lanes: Mapping[Lane, datetime]

    @property
    def is_silent(self) -> bool:
        return self.seen_at is None or self.now - self.seen_at > SILENCE

    @property
    def is_in_trouble(self) -> bool:
        return self.is_silent or self.server_is_silent or bool(self.late_lanes)

    @property
    def latest(self) -> tuple[Lane, datetime]:
        """The most urgent of the lanes that are late, and since when its first mail has had its turn."""
        return min(self.late_lanes.items())

    @cached_property
    def waiting(self) -> Waiting:
        """Counted only where it is told: that reads every mail still owed."""
        owed = Notice.objects.filter(
            Q(status=NoticeStatus.QUEUED) & (Q(next_attempt_at__lte=self.now) | ~Q(last_error=""))
            | Q(status=NoticeStatus.SENDING, lease_until__lte=self.now)
        )
        # What is planned ahead has its turn later than it is owed; a try, or a way back from one, moves the turn on.
        since = Case(When(attempts=0, last_error="", lease_until=None, then="next_attempt_at"), default="created_at")
        return Waiting(**owed.aggregate(number=Count("pk"), oldest=Min(since)))


def with_places_offered(sessions: QuerySet[TourSession]) -> QuerySet[TourSession]:
    """The ledger counts offers in parties; a bar of places needs their places as well. Reads the offers alone."""
    offers = Booking.objects.filter(session=OuterRef("pk"), status=BookingStatus.OFFERED).order_by().values("session")
    return sessions.annotate(places_offered=Coalesce(Subquery(offers.annotate(all=Sum("places")).values("all")), 0))


def bar(session: TourSession) -> Tally:
    """What the party marks show of ``session``, which is one of ``with_places_offered``."""
    offered = int(vars(session)["places_offered"]) if tallies.counts_places(session) else 0
    return tallies.tally(session, places_offered=offered)


def tag(session: TourSession, *, now: datetime) -> Tag:
    """The state in a word or two, as visitors read it."""
    return tallies.tag(session.state(now), bar(session))


def season_figures(sessions: Iterable[TourSession], *, now: datetime) -> SeasonFigures:
    """From the ledgers, and four queries more: the age of the oldest offer, what became of who was called off, and
    the last servings of the lines."""
    sessions = list(sessions)
    called_off = _what_became([session.pk for session in sessions if session.called_off_at])
    serving = [s for s in sessions if s.serves_its_line(now)]
    servings = last_servings(serving)
    served = {s.pk: serving_in_words(s, servings.get(s.pk, []), now=now) for s in serving}
    lines = [
        SessionLine(
            s, tag(s, now=now), bar(s), s.places_held, *called_off.get(s.pk, (0, 0)), served=served.get(s.pk, "")
        )
        for s in sessions
    ]
    held = [line for line in lines if line.session.called_off_at is None]
    offers = Booking.objects.filter(session__in=[line.session.pk for line in held], status=BookingStatus.OFFERED)
    return SeasonFigures(
        lines=lines,
        confirmed=sum(line.session.parties_confirmed for line in held),
        parties=_most_parties([line.session for line in held]),
        offered=sum(line.session.parties_offered for line in held),
        oldest_offer=offers.aggregate(oldest=Min("status_since"))["oldest"],
        waiting=sum(line.session.parties_waiting for line in held),
        people=sum(line.people for line in held),
        places=sum(line.session.capacity for line in held),
    )


def _most_parties(sessions: Sequence[TourSession]) -> int | None:
    """Where parties of the smallest size fill a session before its limit of parties, that limit means nothing."""
    if any(session.max_parties >= session.capacity // session.season.tour.smallest_party for session in sessions):
        return None
    return sum(session.max_parties for session in sessions)


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
    """On every page of staff, so from indexes alone: a few queries, however many mails there are."""
    return Machinery(
        now=now,
        seen_at=Heartbeat.objects.filter(name="clock").values_list("seen_at", flat=True).first(),
        server_is_silent=outbox.mail_server_is_silent(now),
        late_lanes=outbox.late_lanes(now),
    )


def failed_mails(*, now: datetime) -> QuerySet[Notice]:
    """Mails that did not arrive, or perhaps did not, and about which a host can still do something.

    One that was owed again counts no longer: if that fails too, it counts itself.
    """
    long_ago = now - FAILURE_MATTERS
    same_booking = Q(booking=OuterRef("booking")) | Q(booking=None)
    later = Notice.objects.filter(same_booking, party=OuterRef("party"), kind=OuterRef("kind"), pk__gt=OuterRef("pk"))
    useless = Q(expires_at__lte=long_ago) | Q(booking__session__ends_at__lte=long_ago)
    statuses = [NoticeStatus.BOUNCED, NoticeStatus.DEAD, NoticeStatus.UNKNOWN]
    failed = Notice.objects.filter(status__in=statuses, party__erased_at=None)
    return failed.exclude(useless).exclude(Exists(later))


def touched(session: TourSession) -> dict[str, int]:
    """Parties by status, the people of the confirmed ones, and the mails that a change of the session causes.

    Whoever is checked in counts as confirmed; whoever was missed is not touched. Who holds places is read, no more than
    the session takes; who waits is in the ledger, by its parties of proven mailbox.
    """
    offered = Q(status=BookingStatus.OFFERED)
    counts: dict[str, int] = session.bookings.holding().aggregate(
        confirmed=Count("pk", filter=~offered),
        people=Sum("places", filter=~offered, default=0),
        offered=Count("pk", filter=offered),
        mails=Count("pk", filter=Q(party__mailbox_proven_at__isnull=False)),
    )
    waiting = session.parties_waiting
    return counts | {"waiting": waiting, "mails": counts["mails"] + waiting}
