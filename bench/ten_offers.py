"""Fills one line and frees ten places: `bench.parts.offers` runs it by `bench.with_django`, and reads
the four numbers that it prints."""

import resource
import sys
from statistics import median
from time import perf_counter, process_time

from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from bookings.domain import waitlist
from bookings.models import DecisionTrigger, TourSession
from tests.costs import analyze
from tests.factories import DAY, make_booking, make_house, make_season, make_session
from tests.long_lines import fill_line

AT_ONCE = 10_000
TIMES = 5


def main(waiting: int) -> None:
    call_command("flush", interactive=False, verbosity=0)
    make_house()
    now = timezone.now()
    season = make_season(opens_at=now - 9 * DAY, closes_at=now + 60 * DAY)
    session = make_session(season=season, starts_at=now + 20 * DAY, max_parties=60, capacity=60)
    make_booking(session, size=50)
    for begin in range(0, waiting, AT_ONCE):
        fill_line([session], parties=min(AT_ONCE, waiting - begin), size=1)
    analyze()
    offer_ten(session)  # Once, so that nothing is done for the first time.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken, cpu = [], []
    for _time in range(TIMES):
        free_ten_more(session)
        began, spent = perf_counter(), process_time()
        offers = offer_ten(session)
        taken.append((perf_counter() - began) * 1000)
        cpu.append((process_time() - spent) * 1000)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(median(taken), median(cpu), memory, offers)
    connection.close()


def offer_ten(session: TourSession) -> int:
    """Each offer is a transaction, on the disk before the next one."""
    return waitlist.offer_free_places(session.pk, now=timezone.now(), trigger=DecisionTrigger.CANCELLED)


def free_ten_more(session: TourSession) -> None:
    """Those offered before stay taken."""
    more = {name: F(name) + 10 for name in ("capacity", "sell_limit", "max_parties")}
    TourSession.objects.filter(pk=session.pk).update(**more)


if __name__ == "__main__":
    main(int(sys.argv[1]))
