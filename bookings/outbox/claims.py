"""Whose row it is: taken by one conditional UPDATE with a lease, and marked only by the worker that has it still."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from bookings.emails import PROVE_WITHIN, message_id
from bookings.models import Booking, Notice, NoticeKind, NoticeStatus, Party

# A claim that is not marked after this time counts as lost; longer than any single hand-over takes.
LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 8
# After a failure of the server all rows of the batch rest this long; it counts as nobody's attempt.
SERVER_REST = timedelta(seconds=30)
# Better twice than never, should nobody know whether the server took it: somebody waits for these with a clock running.
SENT_AGAIN = frozenset(
    {
        NoticeKind.PROVE,
        NoticeKind.IN_LINE,
        NoticeKind.OFFER,
        NoticeKind.LINK,
        NoticeKind.CONFIRMED,
        NoticeKind.SWAPPED,
        NoticeKind.CALLED_OFF,
        NoticeKind.CANCELLED,
        NoticeKind.CHANGED,
    }
)


def claim(notice_pk: int, *, now: datetime) -> Notice | None:
    """Take the row if it is still due as it was seen: a claim by somebody else makes it not due."""
    notice = Notice.objects.due(now).filter(pk=notice_pk).first()
    if notice is None:
        return None
    as_seen = Notice.objects.due(now).filter(pk=notice_pk, status=notice.status)
    if notice.status == NoticeStatus.SENDING and not (notice.kind in SENT_AGAIN and notice.attempts < MOST_ATTEMPTS):
        as_seen.update(status=_given_up(notice), lease_until=None, last_error="the worker was lost")
        return None
    claimed = as_seen.update(status=NoticeStatus.SENDING, lease_until=now + LEASE, attempts=F("attempts") + 1)
    if not claimed:
        return None
    return Notice.objects.select_related(
        "party__season__tour", "booking__party", "booking__session__venue", "booking__session__season__tour"
    ).get(pk=notice_pk)


def _given_up(notice: Notice) -> NoticeStatus:
    return NoticeStatus.DEAD if notice.kind in SENT_AGAIN else NoticeStatus.UNKNOWN


def put_off(notice: Notice, until: datetime, *, error: str = "") -> None:
    """Later, and this try does not count."""
    settle(notice, NoticeStatus.QUEUED, error=error, next_attempt_at=until, attempts=F("attempts") - 1)


def settle(notice: Notice, status: NoticeStatus, *, error: str = "", **changes: Any) -> None:
    _own(notice).update(status=status, lease_until=None, last_error=error, **changes)


@transaction.atomic
def mark_sent(notice: Notice, *, handed_over_at: datetime) -> None:
    """The mail has left; the times that count from it begin."""
    _own(notice).update(
        status=NoticeStatus.SENT,
        sent_at=handed_over_at,
        lease_until=None,
        message_id=message_id(notice),
        last_error="",
    )
    match notice.kind:
        case NoticeKind.PROVE if notice.booking_id:
            Booking.objects.filter(pk=notice.booking_id).start_sign_up_clock(handed_over_at=handed_over_at)
        case NoticeKind.IN_LINE:
            ends = handed_over_at + PROVE_WITHIN
            Party.objects.filter(
                Q(prove_by=None) | Q(prove_by__gt=ends), pk=notice.party_id, mailbox_proven_at=None
            ).update(prove_by=ends)


def _own(notice: Notice) -> QuerySet[Notice]:
    """The row as this worker claimed it: nothing, if the lease ran out and it is another worker's by now."""
    return Notice.objects.filter(pk=notice.pk, status=NoticeStatus.SENDING, attempts=notice.attempts)
