"""The outbox: ``post`` writes the notice that a change owes a party, in the transaction of the change itself;
``deliver`` claims one and hands it over.

The row is the promise and the only queue. A worker claims it by one conditional UPDATE with a lease, commits, works
with no transaction open and marks it; whoever comes second finds nothing to claim.
"""

import logging
import smtplib
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from celery import shared_task
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from bookings.emails import PROVE_WITHIN, build, changes_to_tell, message_id
from bookings.models import (
    LANES,
    LIVE,
    ROWS_A_STATEMENT,
    UNPROVEN_KINDS,
    Booking,
    BookingStatus,
    Notice,
    NoticeKind,
    NoticeStatus,
    OfferSource,
    Party,
)

logger = logging.getLogger(__name__)

# A claim that is not marked after this time counts as lost; longer than any single hand-over takes.
LEASE = timedelta(minutes=2)
# After a failure that concerns one row it rests this long, the last value again and again.
BACK_OFF = [timedelta(seconds=30), *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))]
MOST_ATTEMPTS = 8
# After a failure of the server all rows of the batch rest this long; it counts as nobody's attempt.
SERVER_REST = timedelta(seconds=30)
# One run of the clock takes at most so many notices and starts none after so many seconds.
BATCH = 200
BATCH_SECONDS = 30
# At most so many mails an hour reach an address on the mere word of whoever filled in the form.
UNPROVEN_AN_HOUR = 3
HOUR = timedelta(hours=1)
NUDGE_EXPIRES = 60

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
# Kinds that anybody who knows an address can cause, also of a mailbox that is proven.
ASKED_BY_ANYBODY = frozenset({NoticeKind.LINK, NoticeKind.ALREADY_IN})

Clock = Callable[[], datetime]


class ServerTrouble(Exception):
    """The server takes no mail at all now; trying the next row would fail in the same way."""


def post(
    kind: NoticeKind,
    party: Party,
    *,
    key: str,
    now: datetime,
    booking: Booking | None = None,
    expires_at: datetime | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Owe the party one email of this kind; the same key is owed once however often it is posted.

    ``facts`` are what the rows will no longer tell when the mail is built (an old time); never personal data.
    """
    notice, created = Notice.objects.get_or_create(
        dedupe_key=f"{kind}:{key}",
        defaults={
            "kind": kind,
            "party": party,
            "booking": booking,
            "lane": LANES[kind],
            "facts": facts or {},
            "created_at": now,
            "next_attempt_at": now,
            "expires_at": expires_at,
        },
    )
    if created:
        transaction.on_commit(lambda: _nudge(notice.pk), robust=True)


def post_all(
    kind: NoticeKind,
    bookings: Mapping[str, Booking],
    *,
    now: datetime,
    expires_at: datetime | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Owe the parties of very many bookings, each by its key, one email of this kind. Nobody is nudged: the clock
    finds the rows."""
    Notice.objects.bulk_create(
        (
            Notice(
                dedupe_key=f"{kind}:{key}",
                kind=kind,
                party_id=booking.party_id,
                booking=booking,
                lane=LANES[kind],
                facts=facts or {},
                created_at=now,
                next_attempt_at=now,
                expires_at=expires_at,
            )
            for key, booking in bookings.items()
        ),
        batch_size=ROWS_A_STATEMENT,
        ignore_conflicts=True,
    )


def post_at_most_hourly(kind: NoticeKind, party: Party, *, now: datetime) -> None:
    """Owe a mail that anybody who knows the address can cause: never two within an hour."""
    if not party.notices.filter(kind=kind, created_at__gt=now - HOUR).exists():
        post(kind, party, key=f"{party.pk}:{now:%Y%m%d%H}", now=now)


def _nudge(notice_pk: int) -> None:
    """Wake a worker; only speed depends on it, the clock finds the row anyway."""
    if not deliver.app.conf.broker_url:
        return
    try:
        deliver.apply_async((notice_pk,), expires=NUDGE_EXPIRES, retry=False, ignore_result=True)
    except Exception as error:
        logger.warning("Notice %s: no worker could be told (%s)", notice_pk, type(error).__name__)


@shared_task(name="bookings.deliver", ignore_result=True)
def deliver(notice_pk: int) -> None:
    _deliver([notice_pk], clock=_clock_from(timezone.now()))


def deliver_due(now: datetime, limit: int = BATCH) -> int:
    """Hand over what is due, the most urgent lane first, over one connection; returns how many the server took."""
    return _deliver(list(Notice.objects.due(now).values_list("pk", flat=True)[:limit]), clock=_clock_from(now))


def still_true(notice: Notice, now: datetime) -> bool:
    """Whether the notice says what is so at ``now``; what happened meanwhile has its own notice or needs none."""
    party, booking = notice.party, notice.booking
    if not party.email:
        return False
    match notice.kind:
        case NoticeKind.LINK:
            return True
        case NoticeKind.ALREADY_IN:
            return party.ended_at is None
        case NoticeKind.IN_LINE:
            return party.bookings.waiting().exists()
    if booking is None:
        return False
    session = booking.session
    match notice.kind:
        case NoticeKind.PROVE:
            return (
                booking.offer_source == OfferSource.SIGN_UP and not party.is_proven and _offer_stands(booking, now=now)
            )
        case NoticeKind.OFFER:
            ends = notice.facts.get("ends")
            same = ends is None or datetime.fromisoformat(ends) == booking.offer_expires_at
            return same and _offer_stands(booking, now=now)
        case NoticeKind.CONFIRMED | NoticeKind.SWAPPED:
            return booking.status in {BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN}
        case NoticeKind.RECALLED:
            return booking.status == BookingStatus.WAITING
        case NoticeKind.OFFER_LAPSED:
            return booking.status in {BookingStatus.WAITING, BookingStatus.LAPSED}
        case NoticeKind.REMINDER:
            start = notice.facts.get("starts_at")
            same = start is None or datetime.fromisoformat(start) == session.starts_at
            return same and booking.status == BookingStatus.CONFIRMED and now < session.starts_at
        case NoticeKind.CHANGED:
            return (
                booking.status in LIVE - {BookingStatus.NO_SHOW} and now < session.starts_at and _tells_a_change(notice)
            )
        case NoticeKind.CANCELLED:
            return booking.status in {BookingStatus.CANCELLED, BookingStatus.WITHDRAWN}
        case NoticeKind.CALLED_OFF:
            return booking.status == BookingStatus.CALLED_OFF
        case NoticeKind.LINE_CLOSED:
            return booking.status == BookingStatus.CLOSED
    return False


def _tells_a_change(notice: Notice) -> bool:
    """Not where a later mail tells it too, nor where all is again as the party knows it."""
    later = Notice.objects.filter(kind=NoticeKind.CHANGED, booking=notice.booking_id, pk__gt=notice.pk)
    has_or_will = later.filter(status__in=[NoticeStatus.QUEUED, NoticeStatus.SENDING, NoticeStatus.SENT])
    if notice.status != NoticeStatus.SENT and has_or_will.exists():
        return False
    return bool(changes_to_tell(notice)) or not notice.facts


def _offer_stands(booking: Booking, *, now: datetime) -> bool:
    ends = booking.offer_expires_at
    return booking.status == BookingStatus.OFFERED and ends is not None and now < ends


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
        _close(connection)
    return sent


def _open(connection: BaseEmailBackend) -> None:
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        raise ServerTrouble(_in_short(error)) from error


def _close(connection: BaseEmailBackend) -> None:
    with suppress(OSError, smtplib.SMTPException):  # What was handed over is marked already.
        connection.close()


def _rest(notice_pks: Sequence[int], *, now: datetime, error: str) -> None:
    """Nothing was tried on these rows, so no attempt is counted; what another worker has claimed stays its own."""
    logger.warning("The mail server takes nothing (%s); %s notices wait", error, len(notice_pks))
    Notice.objects.filter(pk__in=notice_pks, status=NoticeStatus.QUEUED, next_attempt_at__lte=now).update(
        next_attempt_at=now + SERVER_REST, last_error=error
    )


def _deliver_one(notice_pk: int, connection: BaseEmailBackend, *, clock: Clock) -> bool:
    """Claim, check, build, hand over, mark. Raises ServerTrouble with the row queued again."""
    notice = _claim(notice_pk, now=clock())
    if notice is None:
        return False
    now = clock()
    if notice.expires_at and notice.expires_at <= now:
        _settle(notice, NoticeStatus.EXPIRED)
    elif not still_true(notice, now):
        _settle(notice, NoticeStatus.VOID)
    elif until := _capped_until(notice, now=now):
        _put_off(notice, until)
    elif message := _built(notice, now=now):
        try:
            connection.send_messages([message])
        except Exception as error:
            _failed(notice, error, connection, now=clock())
        else:
            _mark_sent(notice, handed_over_at=clock())
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
        _settle(notice, NoticeStatus.DEAD, error=error)
        return None


def _claim(notice_pk: int, *, now: datetime) -> Notice | None:
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


def _capped_until(notice: Notice, *, now: datetime) -> datetime | None:
    """When the hour allows this mail, or None if it does now.

    Counted after the own claim is committed: of two workers at least one sees the other's claim. Both may wait, they
    never both pass.
    """
    if notice.kind not in UNPROVEN_KINDS or (notice.party.is_proven and notice.kind not in ASKED_BY_ANYBODY):
        return None
    same_address = Notice.objects.filter(kind__in=UNPROVEN_KINDS, party__person_key=notice.party.person_key)
    others = same_address.exclude(pk=notice.pk)
    times = others.filter(sent_at__gt=now - HOUR).order_by("-sent_at").values_list("sent_at", flat=True)
    sent = [at for at in times if at]
    if len(sent) >= UNPROVEN_AN_HOUR:
        return sent[UNPROVEN_AN_HOUR - 1] + HOUR
    sending = others.filter(status=NoticeStatus.SENDING, lease_until__gt=now).count()
    return now + SERVER_REST if len(sent) + sending >= UNPROVEN_AN_HOUR else None


def _failed(notice: Notice, error: Exception, connection: BaseEmailBackend, *, now: datetime) -> None:
    """Sort by what the failure tells: about the address, about the server, about this mail, or nothing at all."""
    logger.warning("Notice %s (%s): %s", notice.pk, notice.kind, _in_short(error))
    if _refuses_recipient(error):
        return _settle(notice, NoticeStatus.BOUNCED, error=error)
    _close(connection)  # Whatever state it is in, the next row gets a fresh one.
    if isinstance(error, smtplib.SMTPSenderRefused):
        _put_off(notice, now + SERVER_REST, error=error)
        raise ServerTrouble(_in_short(error))
    if notice.kind not in SENT_AGAIN and _may_have_left(error):
        return _settle(notice, NoticeStatus.UNKNOWN, error=error)
    if notice.attempts >= MOST_ATTEMPTS:
        return _settle(notice, NoticeStatus.DEAD, error=error)
    rest = BACK_OFF[min(notice.attempts, len(BACK_OFF)) - 1]
    return _settle(notice, NoticeStatus.QUEUED, error=error, next_attempt_at=now + rest)


def _refuses_recipient(error: Exception) -> bool:
    match error:
        case smtplib.SMTPRecipientsRefused():
            return any(code >= 500 for code, _words in error.recipients.values())
        case smtplib.SMTPDataError():
            return error.smtp_code >= 500
    return False


def _may_have_left(error: Exception) -> bool:
    """Whether the line broke while the text was on its way: the server may have taken it without our hearing so."""
    if isinstance(error, smtplib.SMTPResponseException):
        return False  # It answered.
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code is smtplib.SMTP.data.__code__ for frame, _line in frames)


def _in_short(error: Exception) -> str:
    """Class and SMTP code, for the log and the row. The server's words may repeat the address."""
    match error:
        case smtplib.SMTPResponseException():
            return f"{type(error).__name__} {error.smtp_code}"
        case smtplib.SMTPRecipientsRefused():
            codes = sorted({code for code, _words in error.recipients.values()})
            return " ".join([type(error).__name__, *map(str, codes)])
    return type(error).__name__


def _put_off(notice: Notice, until: datetime, *, error: Exception | None = None) -> None:
    """Later, and this try does not count."""
    _settle(notice, NoticeStatus.QUEUED, error=error, next_attempt_at=until, attempts=F("attempts") - 1)


def _settle(notice: Notice, status: NoticeStatus, *, error: Exception | None = None, **changes: Any) -> None:
    _own(notice).update(status=status, lease_until=None, last_error=_in_short(error) if error else "", **changes)


def _own(notice: Notice) -> QuerySet[Notice]:
    """The row as this worker claimed it: nothing, if the lease ran out and it is another worker's by now."""
    return Notice.objects.filter(pk=notice.pk, status=NoticeStatus.SENDING, attempts=notice.attempts)


@transaction.atomic
def _mark_sent(notice: Notice, *, handed_over_at: datetime) -> None:
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
