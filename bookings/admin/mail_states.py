"""How a mail stands, in words a host reads."""

import re
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from bookings.models import Notice, NoticeStatus

# What a mailbox, or the server before it, says by the codes of RFC 3463 that hosts meet.
NO_SUCH_ADDRESS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"}
FULL = {"4.2.2", "5.2.2"}


def in_words(notice: Notice, *, now: datetime) -> str:
    """One line: what became of the mail, why, and when it goes on."""
    match notice.status:
        case NoticeStatus.QUEUED:
            return _waits(notice, now=now)
        case NoticeStatus.SENDING:
            if notice.lease_until and notice.lease_until <= now:
                return _("waits: its sender was lost, the next one sees to it")
            return _("is being handed over")
        case NoticeStatus.SENT if notice.sent_at:
            return _("handed over %(at)s") % {"at": moment(notice.sent_at, now=now)}
        case NoticeStatus.UNKNOWN if notice.begun_at:
            return _("perhaps handed over %(at)s, not sent again") % {"at": moment(notice.begun_at, now=now)}
        case NoticeStatus.UNKNOWN:
            return _("perhaps handed over, not sent again")
        case NoticeStatus.BOUNCED:
            return _("refused for this address%(code)s") % {"code": _code(notice)}
        case NoticeStatus.DEAD:
            tries = ngettext(
                "set aside after %(n)d try%(code)s", "set aside after %(n)d tries%(code)s", notice.attempts
            )
            return tries % {"n": notice.attempts, "code": _code(notice)}
    return str(notice.get_status_display())


def moment(at: datetime, *, now: datetime) -> str:
    """A time of today, or a day and a time, as the page's clock shows it."""
    local, today = timezone.localtime(at), timezone.localtime(now).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"


def _waits(notice: Notice, *, now: datetime) -> str:
    at = moment(notice.next_attempt_at, now=now)
    is_due = notice.next_attempt_at <= now
    if not notice.last_error:
        return (_("waits for its turn since %(at)s") if is_due else _("planned for %(at)s")) % {"at": at}
    cause = _cause(notice)
    if is_due:
        return _("waits: %(cause)s, next try now") % {"cause": cause}
    return _("waits: %(cause)s, next try %(at)s") % {"cause": cause, "at": at}


def _cause(notice: Notice) -> str:
    """A row without a try rests because the server takes nothing at all; a try counts only where it answered."""
    if notice.attempts == 0:
        return _("the mail server takes nothing")
    words = ngettext("%(n)d try failed%(code)s", "%(n)d tries failed%(code)s", notice.attempts)
    return words % {"n": notice.attempts, "code": _code(notice)}


def _code(notice: Notice) -> str:
    """The server's code, where it gave one: what an operator looks for in its log."""
    found = re.search(r"\b[2345]\d\d\b|\b[245]\.\d{1,3}\.\d{1,3}\b", notice.last_error)
    return _(" (%(code)s)") % {"code": code_in_words(found[0])} if found else ""


def code_in_words(code: str) -> str:
    """The code, and for those that most often come back what it means: whom to call, and what to ask."""
    if code in NO_SUCH_ADDRESS:
        meaning = _("no such address")
    elif code in FULL:
        meaning = _("its mailbox is full")
    elif code.startswith("5.7."):
        meaning = _("its server takes no mail from us")
    else:
        return code
    return pgettext("a code and its meaning", "%(code)s: %(meaning)s") % {"code": code, "meaning": meaning}
