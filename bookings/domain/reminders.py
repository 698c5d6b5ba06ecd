"""Reminders are notices found when they are due, never tasks for later: a session may move meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bookings.models import LANES, Booking, BookingStatus, Notice, NoticeKind, TourSession

# No season plans a reminder earlier than this; see the validator of ``Season.reminder_days``.
EARLIEST = timedelta(days=60)
CHUNK = 1000


class Due(NamedTuple):
    """One reminder of a session: owed from ``at`` on, not worth sending from ``useless_at`` on."""

    days: int
    at: datetime
    useless_at: datetime


def plan_reminders(*, now: datetime) -> int:
    """Owe every reminder that has come due; returns how many are new. Planning twice, late or in parallel adds nothing.

    A party that confirmed after a reminder was due does not get it: it has just read the same in its confirmation.
    """
    # A day more than the plan: the wall clock may have been put forward or back in between.
    ahead = TourSession.objects.filter(
        called_off_at=None, starts_at__gt=now, starts_at__lte=now + EARLIEST + timedelta(days=1)
    )
    sessions = {session.pk: session for session in ahead.select_related("season", "venue")}
    due = {pk: [one for one in reminders_of(session) if one.at <= now] for pk, session in sessions.items()}
    confirmed = Booking.objects.filter(
        status=BookingStatus.CONFIRMED, session__in=[pk for pk, reminders in due.items() if reminders]
    )
    owed = [
        _notice(booking, sessions[booking.session_id], one, now=now)
        for booking in confirmed.only("pk", "party_id", "session_id", "status_since").order_by("pk")
        for one in due[booking.session_id]
        if booking.status_since < one.at
    ]
    return sum(_post(owed[start : start + CHUNK]) for start in range(0, len(owed), CHUNK))


def reminders_of(session: TourSession) -> list[Due]:
    """The reminders of a session, the earliest first: at the wall-clock time of its start, so many days before.

    A time that the clocks skip that day counts as the next valid one, a time that comes twice as the first.
    """
    start, zone = session.local_start.replace(tzinfo=None, fold=0), session.venue.zone
    days = sorted(set(session.season.reminder_days), reverse=True)
    times = [(start - timedelta(days=before)).replace(tzinfo=zone).astimezone(UTC) for before in days]
    return [Due(*one) for one in zip(days, times, [*times[1:], session.starts_at], strict=True)]


def _notice(booking: Booking, session: TourSession, due: Due, *, now: datetime) -> Notice:
    starts_at = session.starts_at.isoformat()
    return Notice(
        kind=NoticeKind.REMINDER,
        party_id=booking.party_id,
        booking=booking,
        lane=LANES[NoticeKind.REMINDER],
        dedupe_key=f"reminder:{booking.pk}:{starts_at}:{due.days}",
        facts={"starts_at": starts_at, "days": due.days},
        created_at=now,
        next_attempt_at=now,
        expires_at=due.useless_at,
    )


def _post(notices: list[Notice]) -> int:
    """Write those that are new; the unique key decides should another planner be at it too."""
    keys = [notice.dedupe_key for notice in notices]
    known = set(Notice.objects.filter(dedupe_key__in=keys).values_list("dedupe_key", flat=True))
    new = [notice for notice in notices if notice.dedupe_key not in known]
    Notice.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)
