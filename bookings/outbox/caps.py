"""How many mails anybody can cause who only knows an address. Counted in the outbox, so it holds without Redis."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from bookings.models import UNPROVEN_KINDS, Notice, NoticeKind, NoticeStatus
from bookings.models.notices import OF_UNPROVEN_KIND

logger = logging.getLogger(__name__)


class Try(NamedTuple):
    """What an address has had, or is about to get, of one notice."""

    notice: int
    at: datetime | None
    times: int
    is_claimed: bool  # A worker has it, and may be about to begin with it.

    def within(self, since: datetime) -> list[datetime]:
        return [self.at] * self.times if self.at and self.at > since else []


Tries = Mapping[str | None, Sequence[Try]]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# At most so many mails reach an address on the mere word of whoever filled in the form.
UNPROVEN_AN_ADDRESS = {HOUR: 3, DAY: 8}
# Kinds that anybody who knows an address can cause, also of a mailbox that is proven.
ASKED_BY_ANYBODY = frozenset({NoticeKind.LINK, NoticeKind.ALREADY_IN})

# Where two workers saw each other begin the last one that an address may get, both look again after this.
LOOK_AGAIN = timedelta(minutes=1)

# Of all addresses together: where so large a part bounces, somebody is trying out addresses.
BOUNCED_AT_MOST, BOUNCED_OF_AT_LEAST = 0.2, 50
ALL_REST = timedelta(minutes=10)


def is_capped(notice: Notice) -> bool:
    return notice.kind in UNPROVEN_KINDS and (not notice.party.is_proven or notice.kind in ASKED_BY_ANYBODY)


def capped_until(notice: Notice, tries: Tries, *, now: datetime) -> datetime | None:
    """When the address may get this mail, or None if it may now. Every try that may have left counts. Asked before a
    mail is built, by what was read of many at once."""
    return _full_until(tries.get(notice.party.person_key, []), now=now)


def is_surely_free(notice: Notice, tries: Tries, *, now: datetime) -> bool:
    """Whether the address stays below its caps even if all that is claimed for it leaves, this mail among it: then it
    need not be asked again. Whoever claims one later reads this claim, and counts it."""
    of_address = tries.get(notice.party.person_key, [])
    claimed = sum(each.is_claimed for each in of_address)
    return all(
        claimed + sum(len(each.within(now - window)) for each in of_address) <= most
        for window, most in UNPROVEN_AN_ADDRESS.items()
    )


def capped_meanwhile(notice: Notice, tries: Tries, *, mine: Collection[int], now: datetime) -> datetime | None:
    """Asked again by what is read once its own try is committed, unless it was surely free: of two workers at least one
    then sees the other's. They never both pass; both may wait, and then for a moment only, as neither mail has left.

    ``mine`` are the notices of this worker: it has not begun with those that come after this one.
    """
    of_address = tries.get(notice.party.person_key, [])
    of_others = [each for each in of_address if each.is_claimed and each.notice not in mine]
    known = [each for each in of_address if each not in of_others]
    if until := _full_until(known, now=now, is_begun=True):
        return until
    about_to_leave = [Try(each.notice, now, 1, is_claimed=True) for each in of_others]
    return now + LOOK_AGAIN if _full_until([*about_to_leave, *of_address], now=now, is_begun=True) else None


def _full_until(tries: Sequence[Try], *, now: datetime, is_begun: bool = False) -> datetime | None:
    """``is_begun``: one of them is the try that asks."""
    until = []
    for window, most in UNPROVEN_AN_ADDRESS.items():
        within = sorted((at for each in tries for at in each.within(now - window)), reverse=True)[int(is_begun) :]
        if len(within) >= most:
            until.append(within[most - 1] + window)
    return max(until, default=None)


def tries_by_person(notices: Sequence[Notice], *, now: datetime) -> Tries:
    """What the addresses of these notices have had within a day, and what is claimed for them, in one statement."""
    tries: defaultdict[str | None, list[Try]] = defaultdict(list)
    people = {notice.party.person_key for notice in notices}
    if not people:
        return tries
    counts = Q(begun_at__gt=now - DAY, times_begun__gt=0) | Q(status=NoticeStatus.SENDING)
    same_address = Notice.objects.filter(counts, OF_UNPROVEN_KIND, party__person_key__in=people)
    told = same_address.values_list("party__person_key", "pk", "begun_at", "times_begun", "status")
    for person, pk, at, times, status in told:
        tries[person].append(Try(pk, at, times, status == NoticeStatus.SENDING))
    return tries


def all_capped_until(*, now: datetime) -> datetime | None:
    """When mails to addresses that nobody has proven go on, if there are too many or too many come back."""
    of_the_hour = begun_since(now - HOUR).aggregate(
        all=Count("pk"), bounced=Count("pk", filter=Q(status=NoticeStatus.BOUNCED))
    )
    tried, bounced = of_the_hour["all"], of_the_hour["bounced"]
    many_bounce = tried >= BOUNCED_OF_AT_LEAST and bounced > BOUNCED_AT_MOST * tried
    if tried < settings.MAIL_UNPROVEN_AN_HOUR and not many_bounce:
        return None
    logger.error(
        "Mails to unproven addresses rest for ten minutes: %s within the hour, %s of them bounced", tried, bounced
    )
    return now + ALL_REST


def begun_since(since: datetime) -> QuerySet[Notice]:
    return Notice.objects.filter(OF_UNPROVEN_KIND, begun_at__gt=since)
