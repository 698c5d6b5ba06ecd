"""What an act costs: queries, and the rows and pages that each statement reads.

Every statement is run once, taken back, and run again under EXPLAIN (ANALYZE), so that what is counted is what
PostgreSQL really did with each of them.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

# Of all tables together: by the whole, and by the one statement that reads most.
MOST_ROWS = 240
MOST_ROWS_OF_ONE = 50
GROWING = {"bookings_booking", "bookings_bookingevent", "bookings_decision", "bookings_notice", "bookings_party"}
# By one statement. An index of a hundred thousand rows has three hundred pages: whoever searches it through reads them
# all. Twenty rows that are found by their keys are a hundred.
MOST_PAGES_OF_ONE = 120


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


class Read(NamedTuple):
    """By one statement. Pages tell of what an index is searched through in vain, which no count of rows shows."""

    rows: int
    pages: int
    sql: str


class Cost(NamedTuple):
    queries: int
    rows: int
    pages: int
    most_rows: Read
    most_pages: Read


def cost_of(act: Callable[[], Any]) -> Cost:
    """What the act asks of the database. The act is taken back and its statements are played again, one by one."""
    with taken_back(), CaptureQueriesContext(connection) as captured:
        act()
    asked = [query["sql"] for query in captured if not query["sql"].startswith(("SAVEPOINT", "RELEASE", "ROLLBACK"))]
    with taken_back(), connection.cursor() as cursor:
        read = [explained(cursor, sql) for sql in asked]
    return Cost(
        queries=len(asked),
        rows=sum(each.rows for each in read),
        pages=sum(each.pages for each in read),
        most_rows=max(read, key=lambda each: each.rows),
        most_pages=max(read, key=lambda each: each.pages),
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
    return Read(rows_of(plan), pages_of(plan), sql)


def rows_of(plan: dict[str, Any], table: str = "") -> int:
    """The rows that the scans of a plan touched: those they gave and those they looked at in vain.

    What a bitmap of a small table's index holds does not count: much of it is what earlier tests took back.
    """
    table = plan.get("Relation Name", table)
    below = sum(rows_of(part, table) for part in plan.get("Plans", []))
    if "Scan" not in plan["Node Type"] or plan["Node Type"] in {"Subquery Scan", "CTE Scan"}:
        return below
    if plan["Node Type"] == "Bitmap Index Scan" and table not in GROWING:
        return below
    in_vain = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    touched: float = (plan["Actual Rows"] + in_vain) * plan["Actual Loops"]
    return below + round(touched)


def pages_of(plan: dict[str, Any], table: str = "") -> int:
    """The pages of what grows with a line, indexes included, that were read to find rows; not those that were written.
    Small tables are left out: they are full of what earlier tests took back."""
    table = plan.get("Relation Name", table)
    parts = plan.get("Plans", [])
    own = all_pages_of(plan) - sum(map(all_pages_of, parts))
    is_read = plan["Node Type"] != "ModifyTable" and table in GROWING
    return own * is_read + sum(pages_of(part, table) for part in parts)


def all_pages_of(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def assert_bounded(long: Cost, *, short: Cost, fronts: int = 0) -> None:
    """``fronts`` lines may be read so far that the parties ahead are counted, a hundred and one rows."""
    assert long.queries == short.queries, (long.queries, short.queries)
    assert long.most_rows.rows <= MOST_ROWS_OF_ONE + bool(fronts) * 101, long.most_rows
    assert long.rows <= MOST_ROWS + fronts * 101, long.rows
    assert long.most_pages.pages <= MOST_PAGES_OF_ONE, long.most_pages
