"""Whether the mail server is spoken to at all. What it refuses to everybody is nobody's failed try."""

import logging
from datetime import datetime, timedelta

from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Greatest

from bookings.models import Breaker, Lane, Notice
from bookings.models.senders import PROBE_EVERY

logger = logging.getLogger(__name__)

# So many failures in a row that may be the server's, each of another mail, open it.
STRIKES = 3
# How exact it has to be known when it last took one.
TOLD_EVERY = timedelta(seconds=5)


def mails_allowed(wanted: int, *, now: datetime, server: Breaker | None = None) -> int:
    """``wanted`` while the server takes mail; while it does not, one for whoever comes first in each minute.
    ``server`` is its row, if that was just read."""
    if (server or Breaker.now_standing()).opened_at is None:
        return wanted
    return int(Breaker.take_try(now))


def lanes_to_try(server: Breaker, *, now: datetime) -> list[int]:
    """The most urgent first; while the server takes nothing, each lane comes first in one of five minutes. Mails of one
    lane that are refused for themselves must not keep all others from showing that it works again."""
    since = server.opened_at
    first = (now - since) // PROBE_EVERY % len(Lane) if since else 0
    return [*Lane.values[first:], *Lane.values[:first]]


def open_breaker(why: str, *, now: datetime) -> None:
    Breaker.now_standing()
    opened = Breaker.objects.filter(pk=1, opened_at=None).update(
        opened_at=now, why=why, probe_at=now + PROBE_EVERY, strikes=0, struck_by=None
    )
    if opened:
        logger.error("The mail server takes nothing (%s); all mail waits, one is tried each minute", why)
    else:
        Breaker.objects.filter(pk=1).update(why=why)


def strike(notice: Notice, why: str, *, now: datetime) -> bool:
    """A failure that may be the server's; returns whether that makes too many. The same mail again tells nothing."""
    Breaker.now_standing()
    by_another = Q(struck_by=None) | ~Q(struck_by=notice.pk)
    Breaker.objects.filter(by_another, pk=1).update(strikes=F("strikes") + 1, struck_by=notice.pk)
    return Breaker.objects.filter(pk=1, strikes__gte=STRIKES).exists()


def took_mail(*, now: datetime, seen: Breaker | None = None) -> None:
    """The server has just taken a mail: whatever was, it works again. Nothing is written where the row as it was
    ``seen`` said so a moment ago.

    What was tried in vain meanwhile goes after a moment: first come the others, for these may have been refused for
    themselves, and a few of them in a row would open it again.
    """
    if seen and _took_one_just_now(seen, now=now):
        return
    last = Greatest(Coalesce("last_taken_at", Value(now)), Value(now))
    # As it is nearly always: one statement.
    if Breaker.objects.filter(pk=1, opened_at=None).update(strikes=0, struck_by=None, last_taken_at=last):
        return
    row = Breaker.now_standing()
    if row.opened_at:
        Notice.objects.resting_for_the_server().update(next_attempt_at=now + PROBE_EVERY, rests_for_server=False)
        logger.warning("The mail server takes mail again; it took nothing since %s", row.opened_at)
    Breaker.objects.filter(pk=1).update(
        opened_at=None, why="", probe_at=None, strikes=0, struck_by=None, last_taken_at=last
    )


def _took_one_just_now(server: Breaker, *, now: datetime) -> bool:
    last = server.last_taken_at
    return server.opened_at is None and not server.strikes and last is not None and abs(now - last) < TOLD_EVERY
