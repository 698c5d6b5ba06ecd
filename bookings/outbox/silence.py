"""Whether mail stands still: how long each lane has waited, and whether the mail server takes anything."""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from bookings.models import Breaker, Lane, Notice, NoticeStatus
from bookings.outbox.claims import LEASE

# So long may the oldest mail of a lane wait for its turn before somebody is told. The clock's beat is well within it.
WAITS_AT_MOST = {
    Lane.PROOF: timedelta(minutes=2),
    Lane.OFFER: timedelta(minutes=2),
    Lane.NEWS: timedelta(minutes=15),
    Lane.REMINDER: timedelta(hours=2),
}
# What a lane not named above may wait.
LONGEST_WAIT = timedelta(hours=2)
# So long may a server refuse everything.
REFUSES_AT_MOST = timedelta(minutes=2)


def oldest_waiting(now: datetime) -> dict[Lane, datetime]:
    """Of each lane in which mail waits, since when its first has had its turn. One entry of an index a lane."""
    found = {lane: waiting_in(lane, now).values_list("next_attempt_at", flat=True).first() for lane in Lane}
    return {lane: since for lane, since in found.items() if since}


def waiting_in(lane: Lane, now: datetime) -> QuerySet[Notice]:
    """The mails of a lane whose turn has come; a row at work keeps the turn it had when it was claimed."""
    due = Notice.objects.due(now).filter(lane=lane)
    return due.exclude(status=NoticeStatus.SENDING, lease_until__gt=now)


def late_lanes(now: datetime) -> dict[Lane, datetime]:
    """The lanes whose first mail has waited for longer than it may."""
    waiting = oldest_waiting(now).items()
    return {lane: since for lane, since in waiting if now - since > WAITS_AT_MOST.get(lane, LONGEST_WAIT)}


def mail_server_is_silent(now: datetime) -> bool:
    """Whether the mail server has taken nothing for a while, and mail waits for it; see `bookings.outbox.breaker`.

    Without mail nobody speaks to it, so nobody knows. What is just being tried, was tried in vain or comes soon waits
    for it too.
    """
    is_open = Breaker.objects.filter(opened_at__lte=now - REFUSES_AT_MOST).exists()
    soon = Notice.objects.due(now + LEASE)
    return is_open and (
        any(soon.filter(lane=lane).exists() for lane in Lane) or Notice.objects.resting_for_the_server().exists()
    )
