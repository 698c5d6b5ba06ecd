"""Measures what the part `waitlist` tells of: `bench.parts.waitlist`.

Builds a season of five sessions in which every party waits for all five, and prints
what it costs to serve one freed place and to look at a party's page: queries, rows and pages read, milliseconds.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from bookings.domain import waitlist
from bookings.models import DecisionTrigger, Party, TourSession
from tests.costs import analyze, cost_of, taken_back
from tests.factories import DAY, make_booking, make_house, make_season, make_session
from tests.long_lines import fill_line
from tests.portal.visits import address, enter

SESSIONS = 5
LENGTHS = [1_000, 100_000]
AT_ONCE = 10_000
TIMES = 7


def main() -> None:
    try:
        call_command("flush", interactive=False, verbosity=0)
        make_house()
        print(f"{'parties':>9} {'waiting':>9}  {'act':<32}{'queries':>8}{'rows':>8}{'pages':>7}{'ms':>8}")
        for parties in LENGTHS:
            measure(parties)
    finally:
        connection.close()


def measure(parties: int) -> None:
    """Two thirds of each line are parties of three, and the first party of one stands behind all of them."""
    now = timezone.now()
    season = make_season(opens_at=now - 9 * DAY, closes_at=now + 60 * DAY)
    sessions = [make_session(season=season, starts_at=now + (20 + number) * DAY) for number in range(SESSIONS)]
    for session in sessions:
        make_booking(session, size=59)  # One place is free.
    line: list[Party] = []
    for size, share in ((3, 2), (1, 1)):
        for begin in range(0, parties * share // 3, AT_ONCE):
            line += fill_line(sessions, parties=min(AT_ONCE, parties * share // 3 - begin), size=size)
    analyze()
    served, client = sessions[0], Client(SERVER_NAME="localhost")
    last_call = served.roster_locks_at - DAY
    report(parties, "save a place for the head", lambda: serve(served, now))
    report(parties, "last call: ask the first of 1", lambda: serve(served, last_call))
    for name, party in (("page of the first party", line[0]), ("page of the last party", line[-1])):
        enter(client, party)
        report(parties, name, partial(client.get, address(party)))


def serve(session: TourSession, now: datetime) -> None:
    waitlist.offer_free_places(session.pk, now=now, trigger=DecisionTrigger.CANCELLED)


def report(parties: int, name: str, act: Callable[[], Any]) -> None:
    taken = []
    for _time in range(TIMES):
        with taken_back():
            begin = perf_counter()
            act()
            taken.append((perf_counter() - begin) * 1000)
    cost = cost_of(act)
    print(
        f"{parties:>9,} {parties * SESSIONS:>9,}  {name:<32}"
        f"{cost.queries:>8}{cost.rows:>8,}{cost.pages:>7}{median(taken):>8.1f}",
        flush=True,
    )
