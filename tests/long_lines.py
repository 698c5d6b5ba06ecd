"""Lines of thousands, as the domain would leave them: one of each row is written, the database copies it."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import F, Model

from bookings.models import Booking, BookingEvent, BookingStatus, Party, TourSession
from tests.factories import DAY, NOON

# Eight letters and digits of those that codes are made of, of each key others.
A_CODE_BY_KEY = "replace(replace(CAST(10000000 + it.id + number AS text), '0', 'A'), '1', 'B')"
A_NEW_UUID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}


def fill_line(sessions: Sequence[TourSession], *, parties: int, size: int = 2, **of_booking: Any) -> list[Party]:
    """So many proven parties wait in each of these sessions of one season, behind whoever waits there already."""
    if not parties:
        return []
    joined = NOON - DAY
    first = Party.objects.create(
        season=sessions[0].season,
        submission_key=uuid.uuid4(),
        email="",
        lead_name="Lin Xiaoyun",
        language="en",
        size=size,
        smallest_size=size,
        asked_at=joined,
        mailbox_proven_at=joined,
    )
    copy(first, times=parties - 1, code=A_CODE_BY_KEY, submission_key=A_NEW_UUID[connection.vendor])
    for preference, session in enumerate(sessions, start=1):
        session.refresh_from_db()
        booking = Booking.objects.create(
            party=first,
            session=session,
            preference=preference,
            **{
                "places": size,
                "least": size,
                "status": BookingStatus.WAITING,
                "status_since": joined,
                "queue_number": session.next_queue_number,
                "in_line": True,
            }
            | of_booking,
        )
        is_numbered = booking.queue_number is not None
        numbers = {"queue_number": "it.queue_number + number"} if is_numbered else {}
        copy(booking, times=parties - 1, party_id="it.party_id + number", **numbers)
        event = BookingEvent.objects.create(booking=booking, to_status=booking.status, happened_at=joined, who="party")
        copy(event, times=parties - 1, booking_id="it.booking_id + number")
        TourSession.objects.filter(pk=session.pk).update(
            next_queue_number=F("next_queue_number") + parties, parties_waiting=F("parties_waiting") + parties
        )
        session.refresh_from_db()
    return list(Party.objects.filter(pk__gte=first.pk).order_by("pk"))


def copy(row: Model, *, times: int, **instead: str) -> None:
    """Write the row so many times more, with the next keys; ``instead`` is what a column says in SQL where it differs.

    Of the row itself, ``it``, each copy is known by its ``number``: the keys of copies of one length go side by side.
    """
    if not times:
        return
    quote = connection.ops.quote_name
    columns = [str(field.column) for field in row._meta.concrete_fields if not field.primary_key]
    said = [instead.get(column) or f"it.{quote(column)}" for column in columns]
    table = quote(row._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE numbers (number) AS"
            " (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < %s)"
            f" INSERT INTO {table} ({', '.join(map(quote, columns))})"
            f" SELECT {', '.join(said)} FROM {table} it, numbers WHERE it.id = %s ORDER BY number",
            [times, row.pk],
        )
