"""However long a line is, what it costs to serve it and to look at it stays the same: queries, and rows read.

Every statement is run once, taken back, and run again under EXPLAIN (ANALYZE), so that what is counted is what
PostgreSQL really did with each of them.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from bookings.domain import waitlist
from bookings.models import DecisionReason, DecisionTrigger, TourSession
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_season, make_session
from tests.long_lines import fill_line

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

SHORT, LONG = 100, 10_000
# Of all tables together: by the whole, and by the one statement that reads most.
MOST_ROWS = 200
MOST_ROWS_OF_ONE = 50
# An index of ten thousand rows has forty pages and more; whoever searches it through reads them all.
MOST_PAGES_OF_ONE = 25
# The roster locks two days before the start; the last call begins two days before that.
LAST_CALL = START - 4 * DAY + HOUR


class Read(NamedTuple):
    """By one statement. Pages tell of what an index is searched through in vain, which no count of rows shows."""

    rows: int
    pages: int
    sql: str


class Cost(NamedTuple):
    queries: int
    rows: int
    most_rows: Read
    most_pages: Read


def cost_of(act: Callable[[], Any]) -> Cost:
    """What the act asks of the database. The act is taken back and its statements are played again, one by one."""
    with taken_back(), CaptureQueriesContext(connection) as captured:
        act()
    asked = [query["sql"] for query in captured if not query["sql"].startswith(("SAVEPOINT", "RELEASE", "ROLLBACK"))]
    with taken_back(), connection.cursor() as cursor:
        read = [explained(cursor, sql) for sql in asked]
    searching = [each for each in read if each.sql.startswith("SELECT")]  # What is written goes into each index too.
    return Cost(
        queries=len(asked),
        rows=sum(each.rows for each in read),
        most_rows=max(read, key=lambda each: each.rows),
        most_pages=max(searching, key=lambda each: each.pages),
    )


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def explained(cursor: Any, sql: str) -> Read:
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
    (told,) = cursor.fetchone()
    plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    return Read(rows_of(plan), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], sql)


def rows_of(plan: dict[str, Any]) -> int:
    """The rows that the scans of a plan touched: those they gave and those they looked at in vain."""
    below = sum(rows_of(part) for part in plan.get("Plans", []))
    if "Scan" not in plan["Node Type"] or plan["Node Type"] in {"Subquery Scan", "CTE Scan"}:
        return below
    in_vain = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    return below + round((plan["Actual Rows"] + in_vain) * plan["Actual Loops"])


def assert_bounded(cost: Cost) -> None:
    assert cost.most_rows.rows <= MOST_ROWS_OF_ONE, cost.most_rows
    assert cost.most_pages.pages <= MOST_PAGES_OF_ONE, cost.most_pages
    assert cost.rows <= MOST_ROWS


def a_line(waiting: int, *, last: int = 2, capacity: int = 60, free: int = 2, **sizes: Any) -> TourSession:
    """A session with ``free`` places and so many parties in line, the last one of ``last`` people."""
    session = make_session(season=make_season(), capacity=capacity)
    make_booking(session, size=capacity - free)
    fill_line([session], parties=waiting - 1, **sizes)
    fill_line([session], parties=1, size=last)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    session.refresh_from_db()
    assert session.parties_waiting == waiting
    return session


def serve(session: TourSession, *, now: datetime) -> None:
    waitlist.offer_free_places(session.pk, now=now, trigger=DecisionTrigger.CANCELLED)


@pytest.mark.parametrize(
    ("size", "last", "free", "now", "reason"),
    [
        pytest.param(2, 2, 2, NOON, DecisionReason.OFFERED, id="the head fits"),
        pytest.param(3, 1, 1, NOON, DecisionReason.SAVED, id="saved for the head"),
        pytest.param(3, 1, 1, LAST_CALL, DecisionReason.OFFERED, id="the last fits"),
        pytest.param(3, 3, 2, LAST_CALL, DecisionReason.NO_FIT, id="nobody fits"),
    ],
)
def test_serving_one_freed_place_costs_the_same_in_a_line_of_ten_thousand(size, last, free, now, reason):
    costs = []
    for waiting in (SHORT, LONG):
        session = a_line(waiting, last=last, free=free, size=size)
        costs.append(cost_of(lambda session=session: serve(session, now=now)))
        serve(session, now=now)
        assert session.decisions.first().reason == reason
    short, long = costs
    assert long.queries == short.queries
    assert_bounded(long)
