"""Lines of thousands, written in bulk as the domain would leave them."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import F

from bookings.models import Booking, BookingEvent, BookingStatus, Party, TourSession
from tests.factories import DAY, NOON


def fill_line(sessions: Sequence[TourSession], *, parties: int, size: int = 2, **of_booking: Any) -> list[Party]:
    """So many proven parties wait in each of these sessions of one season, behind whoever waits there already."""
    joined = NOON - DAY
    made = Party.objects.bulk_create(
        Party(
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
        for _number in range(parties)
    )
    for preference, session in enumerate(sessions, start=1):
        session.refresh_from_db()
        waiting = Booking.objects.bulk_create(
            Booking(
                party=party,
                session=session,
                preference=preference,
                **{
                    "places": size,
                    "least": size,
                    "status": BookingStatus.WAITING,
                    "status_since": joined,
                    "queue_number": number,
                    "in_line": True,
                }
                | of_booking,
            )
            for number, party in enumerate(made, start=session.next_queue_number)
        )
        BookingEvent.objects.bulk_create(
            BookingEvent(booking=booking, to_status=booking.status, happened_at=joined, who="party")
            for booking in waiting
        )
        TourSession.objects.filter(pk=session.pk).update(
            next_queue_number=F("next_queue_number") + parties, parties_waiting=F("parties_waiting") + parties
        )
        session.refresh_from_db()
    return made
