"""How many mails anybody can cause who only knows an address. Counted in the outbox, so it holds without Redis."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from bookings.models import UNPROVEN_KINDS, Notice, NoticeKind, NoticeStatus
from bookings.models.notices import OF_UNPROVEN_KIND

logger = logging.getLogger(__name__)

Tries = Mapping[str | None, Sequence[datetime]]

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


def capped_until(notice: Notice, tries: Tries, *, now: datetime, is_begun: bool = False) -> datetime | None:
    """When the address may get this mail, or None if it may now. Every try that may have left counts.

    Asked before a mail is built, by what was read of many at once, and again by what is read once its own try is
    committed (``is_begun``): of two workers at least one then sees the other's. They never both pass; both may wait,
    and then for a moment only, as neither mail has left.
    """
    of_address = tries.get(notice.party.person_key, [])
    until = []
    for window, most in UNPROVEN_AN_ADDRESS.items():
        within = [at for at in of_address if at > now - window][int(is_begun) :]
        if len(within) >= most:
            until.append(within[most - 1] + window)
    if until and is_begun:
        return min(max(until), now + LOOK_AGAIN)
    return max(until, default=None)


def tries_by_person(notices: Sequence[Notice], *, now: datetime) -> Tries:
    """What the addresses of these notices have had within a day, the latest first, in one statement."""
    tries: defaultdict[str | None, list[datetime]] = defaultdict(list)
    people = {notice.party.person_key for notice in notices}
    if not people:
        return tries
    same_address = begun_since(now - DAY).filter(party__person_key__in=people, times_begun__gt=0).order_by("-begun_at")
    for person, at, times in same_address.values_list("party__person_key", "begun_at", "times_begun"):
        if at:
            tries[person] += [at] * times
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
