"""Reminders are notices that are written shortly before they are due, never tasks for later: a session may move."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from django.db.models import Case, F, OuterRef, Subquery, When
from django.db.models.functions import Coalesce

from bookings.domain.wall_clock import instant_of
from bookings.models import (
    LANES,
    ROWS_A_STATEMENT,
    Booking,
    BookingEvent,
    BookingStatus,
    Notice,
    NoticeKind,
    NoticeStatus,
    PlannedReminder,
    ReminderPlan,
    TourSession,
)

# A reminder is written so long before it is due: however many there are, the first leaves when its time has come.
AHEAD = timedelta(minutes=15)
# What could not leave in time may leave within a quarter of the time that was left then, at most a day.
LATE_AT_MOST = timedelta(hours=24)
# So long after a reminder was due a confirmation from before may still come to light: its transaction was under way,
# or the clock of its machine is behind.
GRACE = timedelta(minutes=5)
# No plan reminds earlier than this: 60 days, and one more, for the wall clock may have been put forward or back.
EARLIEST = timedelta(days=61)
# What nobody planned in time is recorded until so long after the visit.
LOOK_BACK = timedelta(days=7)
SESSIONS_AT_ONCE = 200

COMING = [BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN, BookingStatus.NO_SHOW]


class Due(NamedTuple):
    """One reminder of a session: owed from ``at`` on to those who were confirmed before, too late from ``useless_at``.

    ``since`` is when it was planned: a reminder that was due before that is nobody's.
    """

    which: str
    at: datetime
    useless_at: datetime
    since: datetime


class Round(NamedTuple):
    """A reminder of a session that is not planned to its end, and when it was planned last."""

    session: TourSession
    due: Due
    planned_at: datetime | None

    def is_over(self, now: datetime) -> bool:
        return now >= self.due.at + GRACE

    def is_known(self, now: datetime) -> bool:
        """Whether only who was confirmed since the last time is new. After its end, and after a clock was put back,
        everybody is looked at once more."""
        return self.planned_at is not None and self.planned_at <= now and not self.is_over(now)


def plan_reminders(*, now: datetime) -> int:
    """Write the notice of every reminder that is due within 15 minutes; returns how many are new.

    Planning twice, late, from two places or after the clock was put back adds nothing. A party that was confirmed after
    a reminder was due does not get it: it has just read the same in its confirmation. What is too late is written as
    such and never sent. Bookings are walked in chunks, so that memory does not grow with their number.
    """
    return sum(_plan(rounds, now=now) for rounds in _rounds_open(now))


def reminders_of(session: TourSession) -> list[Due]:
    """The reminders of a session, the earliest first. Two plans that fall on the same moment are one reminder."""
    plans: dict[datetime, list[ReminderPlan]] = defaultdict(list)
    for plan in session.season.reminder_plans.all():
        plans[_due_at(plan, session)].append(plan)
    times = sorted(at for at in plans if at < session.starts_at)
    return [
        Due(
            which=_which(at, session),
            at=at,
            useless_at=min(following, at + min((session.starts_at - at) / 4, LATE_AT_MOST)),
            since=min(plan.since for plan in plans[at]),
        )
        for at, following in pairwise([*times, session.starts_at])
    ]


def _due_at(plan: ReminderPlan, session: TourSession) -> datetime:
    if plan.hours is not None:
        return session.starts_at - timedelta(hours=plan.hours)
    day = session.local_start.replace(tzinfo=None, fold=0) - timedelta(days=plan.days or 0)
    return instant_of(datetime.combine(day, plan.at or day.time()), zone=session.venue.zone)


def _which(at: datetime, session: TourSession) -> str:
    """Which reminder of a session it is, whatever lines plan it: "7", "1@18:00". Lines come and go, its moment stays.

    The days before and the time by the clock at the venue, left out where it is the session's own.
    """
    start, local = session.local_start, at.astimezone(session.venue.zone)
    days = (start.date() - local.date()).days
    clock = local.time()
    shown = "" if clock == start.time() else f"@{clock.isoformat('seconds' if clock.second else 'minutes')}"
    again = "b" if local.fold else ""  # The clocks show this time twice, and it is the second.
    return f"{days}{shown}{again}"


def _rounds_open(now: datetime) -> Iterator[list[Round]]:
    """The reminders that have come near or were due and are not planned to their end, of some sessions at a time."""
    sessions = TourSession.objects.filter(
        called_off_at=None, starts_at__gt=now - LOOK_BACK, starts_at__lte=now + EARLIEST + AHEAD
    ).order_by("pk")
    sessions = sessions.select_related("venue").only("starts_at", "season", "venue__time_zone")
    sessions = sessions.prefetch_related("season__reminder_plans")
    last = 0
    while some := list(sessions.filter(pk__gt=last)[:SESSIONS_AT_ONCE]):
        last = some[-1].pk
        planned = {
            (row.session_id, row.starts_at, row.which): row for row in PlannedReminder.objects.filter(session__in=some)
        }
        rounds = []
        for session in some:
            for due in reminders_of(session):
                row = planned.get((session.pk, session.starts_at, due.which))
                is_complete = row is not None and row.is_complete and row.planned_at <= now
                if due.since < due.at <= now + AHEAD and not is_complete:
                    rounds.append(Round(session, due, row.planned_at if row else None))
        if rounds:
            yield rounds


def _plan(rounds: Sequence[Round], *, now: datetime) -> int:
    # Who was told of another time after a reminder was due has just read it.
    owed = [one for one in rounds if one.session.moved_at is None or one.session.moved_at < one.due.at]
    known = [one for one in owed if one.is_known(now)]
    written = _walk([one for one in owed if one not in known], now=now)
    if known:
        seen = min(one.planned_at for one in known if one.planned_at) - GRACE
        written += _walk(known, now=now, confirmed_from=seen)
    PlannedReminder.objects.bulk_create(
        (
            PlannedReminder(
                session=one.session,
                starts_at=one.session.starts_at,
                which=one.due.which,
                planned_at=now,
                is_complete=one.is_over(now),
            )
            for one in rounds
        ),
        update_conflicts=True,
        unique_fields=["session", "starts_at", "which"],
        update_fields=["planned_at", "is_complete"],
    )
    return written


def _walk(rounds: Sequence[Round], *, now: datetime, confirmed_from: datetime | None = None) -> int:
    """Go through the bookings of these sessions that come, and write for each what it is owed and does not have."""
    of_session = defaultdict(list)
    for one in rounds:
        of_session[one.session.pk].append(one)
    bookings = Booking.objects.filter(session__in=of_session, status__in=COMING).order_by("pk")
    if confirmed_from:
        bookings = bookings.filter(status_since__gte=confirmed_from)
    rows = bookings.values_list("pk", "party", "session", _confirmed_at())
    written = last = 0
    while of_session and (some := list(rows.filter(pk__gt=last)[:ROWS_A_STATEMENT])):
        last = some[-1][0]
        written += _write(
            [
                _notice(booking, party, one, now=now)
                for booking, party, session, confirmed_at in some
                for one in of_session[session]
                if confirmed_at < one.due.at
            ]
        )
    return written


def _confirmed_at() -> Case:
    """Who is at the gate by now has a status of today."""
    confirmed = BookingEvent.objects.filter(booking=OuterRef("pk"), to_status=BookingStatus.CONFIRMED).order_by("pk")
    first = Subquery(confirmed.values("happened_at")[:1])
    return Case(When(status=BookingStatus.CONFIRMED, then=F("status_since")), default=Coalesce(first, "status_since"))


def _notice(booking: int, party: int, one: Round, *, now: datetime) -> Notice:
    starts_at = one.session.starts_at.isoformat()
    return Notice(
        kind=NoticeKind.REMINDER,
        party_id=party,
        booking_id=booking,
        lane=LANES[NoticeKind.REMINDER],
        status=NoticeStatus.QUEUED if now < one.due.useless_at else NoticeStatus.EXPIRED,
        dedupe_key=f"reminder:{booking}:{starts_at}:{one.due.which}",
        facts={"starts_at": starts_at, "reminder": one.due.which},
        created_at=now,
        next_attempt_at=one.due.at,
        expires_at=one.due.useless_at,
    )


def _write(notices: Sequence[Notice]) -> int:
    """Write those that are new; the unique key decides should another planner be at it too."""
    keys = [notice.dedupe_key for notice in notices]
    known = set(Notice.objects.filter(dedupe_key__in=keys).values_list("dedupe_key", flat=True))
    new = [notice for notice in notices if notice.dedupe_key not in known]
    Notice.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)
