"""Handing over what is owed, row after row over one connection."""

import logging
import smtplib
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import monotonic

from celery import shared_task
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import DatabaseError
from django.utils import timezone

from bookings.emails import build
from bookings.models import Notice, NoticeStatus
from bookings.outbox.caps import capped_until
from bookings.outbox.claims import SERVER_REST, claim, mark_sent, put_off, settle
from bookings.outbox.failures import ServerTrouble, close, failed, in_short
from bookings.outbox.truth import still_true

logger = logging.getLogger(__name__)

# One run of the clock takes at most so many notices and starts none after so many seconds.
BATCH = 200
BATCH_SECONDS = 30

Clock = Callable[[], datetime]


@shared_task(name="bookings.deliver", ignore_result=True)
def deliver(notice_pk: int) -> None:
    _deliver([notice_pk], clock=_clock_from(timezone.now()))


def deliver_due(now: datetime, limit: int = BATCH) -> int:
    """Hand over what is due, the most urgent lane first, over one connection; returns how many the server took."""
    return _deliver(list(Notice.objects.due(now).values_list("pk", flat=True)[:limit]), clock=_clock_from(now))


def _clock_from(now: datetime) -> Clock:
    """The time as it goes on from ``now`` while a batch is at work."""
    started = monotonic()
    return lambda: now + timedelta(seconds=monotonic() - started)


def _deliver(notice_pks: Sequence[int], *, clock: Clock) -> int:
    if not notice_pks:
        return 0
    connection = get_connection()
    begun, sent = clock(), 0
    try:
        for done, notice_pk in enumerate(notice_pks):
            if clock() - begun > timedelta(seconds=BATCH_SECONDS):
                break
            try:
                _open(connection)
                sent += _deliver_one(notice_pk, connection, clock=clock)
            except ServerTrouble as trouble:
                _rest(notice_pks[done:], now=clock(), error=str(trouble))
                break
    finally:
        close(connection)
    return sent


def _open(connection: BaseEmailBackend) -> None:
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        raise ServerTrouble(in_short(error)) from error


def _rest(notice_pks: Sequence[int], *, now: datetime, error: str) -> None:
    """Nothing was tried on these rows, so no attempt is counted; what another worker has claimed stays its own."""
    logger.warning("The mail server takes nothing (%s); %s notices wait", error, len(notice_pks))
    Notice.objects.filter(pk__in=notice_pks, status=NoticeStatus.QUEUED, next_attempt_at__lte=now).update(
        next_attempt_at=now + SERVER_REST, last_error=error
    )


def _deliver_one(notice_pk: int, connection: BaseEmailBackend, *, clock: Clock) -> bool:
    """Claim, check, build, hand over, mark. Raises ServerTrouble with the row queued again."""
    notice = claim(notice_pk, now=clock())
    if notice is None:
        return False
    now = clock()
    if notice.expires_at and notice.expires_at <= now:
        settle(notice, NoticeStatus.EXPIRED)
    elif not still_true(notice, now):
        settle(notice, NoticeStatus.VOID)
    elif until := capped_until(notice, now=now):
        put_off(notice, until)
    elif message := _built(notice, now=now):
        try:
            connection.send_messages([message])
        except Exception as error:
            failed(notice, error, connection, now=clock())
        else:
            mark_sent(notice, handed_over_at=clock())
            return True
    return False


def _built(notice: Notice, *, now: datetime) -> EmailMultiAlternatives | None:
    """The message, or nothing where it cannot be built: one such row must not hold up the others."""
    try:
        return build(notice, now=now)
    except DatabaseError:
        raise  # Not the row's fault; the lease brings it back.
    except Exception as error:
        # Where, not what: the words of the error may hold a name or an address.
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.error("Notice %s (%s) cannot be built: %s\n%s", notice.pk, notice.kind, type(error).__name__, where)
        settle(notice, NoticeStatus.DEAD, error=in_short(error))
        return None
