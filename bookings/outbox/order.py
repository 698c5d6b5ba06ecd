"""In which order the mails of one party leave that bring its calendar entry, change it, or take it away.

All of them speak of one entry. A calendar that gets the newer one first may keep the older, so of two the older goes
first. Each tells the present when it is built; so it is enough that no two of a party are under way at once and that
the older one is tried before. One that rests for long after failures holds nothing up: should it leave after all, it
tells the same as the newer one did, under the same number.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from bookings.models import Breaker, Lane, Notice, NoticeStatus
from bookings.models.compiled import Given, compiled

# So long a newer mail waits for the next try of an older one.
WAITS_AT_MOST = timedelta(minutes=5)


def in_turn(notices: QuerySet[Notice], *, now: datetime) -> QuerySet[Notice]:
    """Without those that another mail of their party has to go before."""
    return _in_turn(notices, soon=now + WAITS_AT_MOST)


def _in_turn(notices: QuerySet[Notice], *, soon: datetime | Given) -> QuerySet[Notice]:
    comes_soon = Q(status=NoticeStatus.SENDING) | Q(next_attempt_at__lte=soon)
    of_calendar = Notice.objects.unsettled().filter(comes_soon, calendar_sequence__isnull=False)
    older = of_calendar.filter(party=OuterRef("party"), pk__lt=OuterRef("pk"))
    return notices.filter(Q(calendar_sequence=None) | ~Exists(older))


class Look(NamedTuple):
    """How the mail server stands, and the lanes in which there is something to claim, the most urgent first."""

    server: Breaker
    lanes: Sequence[int]


def look(*, now: datetime) -> Look:
    """One statement, and of each lane no more than the beginning of a range of an index. It hangs on the one row that
    there is of the mail server."""
    server = next(iter(_lanes_with_something_due(now=now, soon=now + WAITS_AT_MOST)), None)
    if server is None:
        Breaker.now_standing()
        return look(now=now)
    return Look(server, [lane for lane in Lane if vars(server)[f"lane_{lane}"]])


@compiled
def _lanes_with_something_due() -> QuerySet[Breaker]:
    due = _in_turn(Notice.objects.due(Given("now")), soon=Given("soon"))
    lanes = {f"lane_{lane}": Exists(due.filter(lane=lane)) for lane in Lane}
    return Breaker.objects.filter(pk=1).annotate(**lanes).order_by()
