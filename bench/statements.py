"""What is asked of the database, counted by PostgreSQL itself (``pg_stat_statements``): transaction control included.

Web processes and workers come under names of their own; what the bench itself asks comes under a third and is left out.
"""

from typing import NamedTuple

from django.db import connection

ROLES = ("web", "worker")


class Statement(NamedTuple):
    role: str
    calls: int
    milliseconds: float
    text: str


def make_roles() -> None:
    """The names under which the processes come; they may do all that the owner may."""
    with connection.cursor() as cursor:
        for role in ROLES:
            cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [role])
            if not cursor.fetchone()[0]:
                cursor.execute(f"CREATE ROLE {role} SUPERUSER LOGIN")
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def reset() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_statements_reset()")


def calls() -> dict[str, int]:
    """Statements by role since the last reset."""
    counted = dict.fromkeys(ROLES, 0)
    for statement in read():
        counted[statement.role] += statement.calls
    return counted


def read() -> list[Statement]:
    """Most often called first."""
    with connection.cursor() as cursor:
        # Savepoints carry names of their own, and lists of keys their length.
        cursor.execute(
            r"""SELECT rolname, sum(calls)::int, sum(total_exec_time), text FROM (
                SELECT *, regexp_replace(
                    regexp_replace(query, '(SAVEPOINT) .*', '\1'), 'IN \([$\d, ]+\)', 'IN (...)', 'g'
                ) AS text FROM pg_stat_statements
            ) AS each JOIN pg_roles ON pg_roles.oid = userid WHERE rolname = ANY(%s)
            GROUP BY rolname, text ORDER BY 2 DESC, text""",
            [list(ROLES)],
        )
        return [Statement(*row) for row in cursor.fetchall()]
