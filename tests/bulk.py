"""A season that a hundred thousand parties wait in, written by PostgreSQL itself in a few seconds.

A row of each kind is made as everywhere; INSERT ... SELECT makes the others of it. What must differ is told as SQL, in
which ``n`` counts from 1 and ``key`` is the key of the new row. Outside of a transaction: indexes and references are
made anew after it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection
from django.db.models import F, Model

from bookings.models import Booking, BookingEvent, Notice, NoticeKind, Party, TourSession
from tests.long_lines import fill_line
from tests.owed import owe

GROWING = (Party, Booking, BookingEvent, Notice)
# Each number once, in an order that tells nothing of when, in signs of the alphabet of codes.
CODE = (
    """translate(lpad(to_hex(key::bigint * 2654435761 % 4294967296), 8, '0'), '0123456789abcdef', '23456789BCDFGHJK')"""
)


def fill_in_bulk(sessions: Sequence[TourSession], *, parties: int, size: int) -> Party:
    """So many proven parties of one size wait for these sessions, in which nobody waits, and each is owed a reminder
    that was due at noon. Returns the first of them."""
    (first,) = fill_line(sessions, parties=1, size=size)
    waiting = list(first.bookings.order_by("pk"))
    notice = owe(NoticeKind.REMINDER, waiting[0])
    with without_indexes():
        made = copies(
            first,
            number=parties - 1,
            submission_key="gen_random_uuid()",
            person_key="md5(key::text) || md5((-key)::text)",
            code=CODE,
            email="'lead' || key || '@visitors.example'",
        )
        firsts = []
        for booking in waiting:
            firsts.append(copies(booking, number=parties - 1, party_id=f"{made} + n", queue_number="1 + n"))
            copies(booking.events.get(), number=parties - 1, booking_id=f"{firsts[-1]} + n")
        copies(
            notice,
            number=parties - 1,
            party_id=f"{made} + n",
            booking_id=f"{firsts[0]} + n",
            dedupe_key="'reminder:of ' || key",
        )
    TourSession.objects.filter(pk__in=[session.pk for session in sessions]).update(
        next_queue_number=F("next_queue_number") + parties - 1, parties_waiting=F("parties_waiting") + parties - 1
    )
    return first


def copies(row: Model, *, number: int, **differing: str) -> int:
    """The key before the first copy."""
    table = row._meta.db_table
    columns = [str(field.column) for field in row._meta.concrete_fields if not field.primary_key]
    told = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(differing.get(column, f'"{column}"') for column in columns)
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM pg_sequences WHERE sequencename = %s", [f"{table}_id_seq"])
        before: int = cursor.fetchone()[0]
        cursor.execute(
            f"INSERT INTO {table} ({told}) SELECT {values} FROM {table},"
            f" (SELECT n, {before} + n AS key FROM generate_series(1, {number}) AS n) AS copy WHERE id = {row.pk}"
        )
    return before


@contextmanager
def without_indexes() -> Iterator[None]:
    """Rows come without them, and all are made at the end: so PostgreSQL sorts once and looks up no reference alone."""
    tables = [model._meta.db_table for model in GROWING]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype IN ('f', 'u') AND conrelid = ANY(%s::regclass[])",
            [tables],
        )
        constraints = cursor.fetchall()
        for table, name, _said in constraints:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        cursor.execute(
            "SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE NOT indisprimary AND indrelid = ANY(%s::regclass[])",
            [tables],
        )
        indexes = cursor.fetchall()
        for name, _said in indexes:
            cursor.execute(f"DROP INDEX {name}")
        try:
            yield
        finally:
            for _name, said in indexes:
                cursor.execute(said)
            for table, name, said in constraints:
                cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {said}")
