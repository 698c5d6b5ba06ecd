"""What a failed hand-over tells, and what becomes of its row."""

import logging
import smtplib
import traceback
from contextlib import suppress
from datetime import datetime, timedelta

from django.core.mail.backends.base import BaseEmailBackend

from bookings.models import Notice, NoticeStatus
from bookings.outbox.claims import MOST_ATTEMPTS, SENT_AGAIN, SERVER_REST, put_off, settle

logger = logging.getLogger(__name__)

# After a failure that concerns one row it rests this long, the last value again and again.
BACK_OFF = [timedelta(seconds=30), *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))]


class ServerTrouble(Exception):
    """The server takes no mail at all now; trying the next row would fail in the same way."""


def failed(notice: Notice, error: Exception, connection: BaseEmailBackend, *, now: datetime) -> None:
    """Sort by what the failure tells: about the address, about the server, about this mail, or nothing at all."""
    short = in_short(error)
    logger.warning("Notice %s (%s): %s", notice.pk, notice.kind, short)
    if _refuses_recipient(error):
        return settle(notice, NoticeStatus.BOUNCED, error=short)
    close(connection)  # Whatever state it is in, the next row gets a fresh one.
    if isinstance(error, smtplib.SMTPSenderRefused):
        put_off(notice, now + SERVER_REST, error=short)
        raise ServerTrouble(short)
    if notice.kind not in SENT_AGAIN and _may_have_left(error):
        return settle(notice, NoticeStatus.UNKNOWN, error=short)
    if notice.attempts >= MOST_ATTEMPTS:
        return settle(notice, NoticeStatus.DEAD, error=short)
    rest = BACK_OFF[min(notice.attempts, len(BACK_OFF)) - 1]
    return settle(notice, NoticeStatus.QUEUED, error=short, next_attempt_at=now + rest)


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


def in_short(error: Exception) -> str:
    """Class and SMTP code, for the log and the row. The server's words may repeat the address."""
    match error:
        case smtplib.SMTPResponseException():
            return f"{type(error).__name__} {error.smtp_code}"
        case smtplib.SMTPRecipientsRefused():
            codes = sorted({code for code, _words in error.recipients.values()})
            return " ".join([type(error).__name__, *map(str, codes)])
    return type(error).__name__


def close(connection: BaseEmailBackend) -> None:
    with suppress(OSError, smtplib.SMTPException):  # What was handed over is marked already.
        connection.close()
