"""What parties do in tests, through the domain, and what can be read of it afterwards."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import Any

from bookings.domain.people import Person
from bookings.domain.sign_up import Lead, Wishes, request_places
from bookings.models import Booking, Notice, Party, TourSession
from tests.factories import NOON

ADULT = Person("Lin Xiaoyun", 18, None)
CHILD = Person("Lin Jun", 6, 17)

_numbers = count(1)


def people(size: int) -> tuple[Person, list[Person]]:
    """A lead and companions, all adults."""
    return ADULT, [Person(f"Companion {number}", 18, None) for number in range(2, size + 1)]


def ask(*sessions: TourSession, submission_key: uuid.UUID | None = None, **asked: Any) -> Party:
    """Sign a party up, as ``submit`` does, and return it."""
    submission_key = submission_key or uuid.uuid4()
    submit(*sessions, submission_key=submission_key, **asked)
    return Party.objects.get(submission_key=submission_key)


def submit(*sessions: TourSession, **asked: Any) -> None:
    """Press the button of the form once."""
    told_to_prove_first(*sessions, **asked)


def told_to_prove_first(
    *sessions: TourSession,
    size: int = 2,
    email: str | None = None,
    now: datetime = NOON,
    submission_key: uuid.UUID | None = None,
    lead: Person | None = None,
    companions: Sequence[Person] | None = None,
    language: str = "en",
    network: str = "",
    proves_first: bool = False,
    **wishes: Any,
) -> bool:
    """What whoever presses the button of the form is told: every detail not given is a usual one."""
    usual_lead, usual_companions = people(size)
    return request_places(
        [session.pk for session in sessions],
        lead=Lead(lead or usual_lead, email or f"asking{next(_numbers)}@visitors.example", language),
        companions=usual_companions if companions is None else companions,
        wishes=Wishes(**{"smallest_size": size, **wishes}),
        submission_key=submission_key or uuid.uuid4(),
        network=network,
        proves_first=proves_first,
        now=now,
    )


def statuses(*sessions: TourSession) -> dict[Booking, str]:
    """What has become of every booking of these sessions."""
    return {booking: booking.status for booking in Booking.objects.filter(session__in=sessions)}


def ledger(session: TourSession) -> dict[str, int]:
    row = TourSession.objects.get(pk=session.pk)
    return {
        "places": row.places_held,
        "parties": row.parties_held,
        "offered": row.parties_offered,
        "waiting": row.parties_waiting,
    }


def owed(*parties: Party) -> list[tuple[str, int]]:
    """The mails owed, in order, as kind and primary key of the party; of these parties or of all."""
    notices = Notice.objects.order_by("pk")
    if parties:
        notices = notices.filter(party__in=parties)
    return list(notices.values_list("kind", "party"))
