"""Notices that wait in the outbox, and what has become of them."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.conf import LazySettings
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat
from pytest_django import Settings

from bookings.models import (
    LANES,
    Booking,
    BookingStatus,
    Breaker,
    Notice,
    NoticeKind,
    Party,
    TourSession,
)
from tests.factories import NOON, make_booking, make_party, make_session
from tests.long_lines import copy, fill_line

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_numbers = count(1)


def use(settings: Settings | LazySettings, port: int) -> None:
    """Mail goes to this port; whoever answers there may take its time on a busy machine."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 60


def owe(kind: NoticeKind, booking: Booking | None = None, *, party: Party | None = None, **given: Any) -> Notice:
    values = {
        "lane": LANES[kind],
        "dedupe_key": f"{kind}:{next(_numbers)}",
        "created_at": NOON,
        "next_attempt_at": NOON,
    }
    owed_to = party or (booking.party if booking else None)
    assert owed_to
    return Notice.objects.create(kind=kind, party=owed_to, booking=booking, **values | given)


def owe_confirmation(**given: Any) -> Notice:
    return owe(NoticeKind.CONFIRMED, make_booking(), **given)


def owe_link(email: str = "lin@visitors.example", **given: Any) -> Notice:
    return owe(NoticeKind.LINK, party=make_party(email=email, ended_at=NOON), **given)


def state(notice: Notice) -> tuple[str, int, str]:
    notice.refresh_from_db()
    return notice.status, notice.attempts, notice.last_error


class About:
    """A moment, give or take the seconds that the test itself takes."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __eq__(self, other: object) -> bool:
        return isinstance(other, datetime) and abs(other - self.at) < MINUTE

    def __repr__(self) -> str:
        return f"about {self.at}"


def breaker_now() -> tuple[Any, str, Any]:
    """Open since when and why, and when it last took a mail."""
    row = Breaker.objects.get()
    return row.opened_at, row.why, row.last_taken_at


def in_threads(number: int, work: Callable[[], None]) -> None:
    workers = [threading.Thread(target=work) for _ in range(number)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def owe_reminders(number: int, *, session: TourSession | None = None, at: datetime = NOON) -> list[int]:
    """Reminders of as many confirmed parties, due at this moment, written in bulk; returns their keys."""
    session = session or make_session(capacity=2 * number)
    confirmed: dict[str, Any] = {"status": BookingStatus.CONFIRMED, "queue_number": None, "in_line": False}
    parties = fill_line([session], parties=number, **confirmed)
    TourSession.objects.filter(pk=session.pk).update(
        places_held=F("places_held") + 2 * number,
        parties_held=F("parties_held") + number,
        parties_waiting=F("parties_waiting") - number,
    )
    pks = [party.pk for party in parties]
    Party.objects.filter(pk__range=(pks[0], pks[-1])).update(
        email=Concat(Value("lead"), Cast("pk", CharField()), Value("@visitors.example"))
    )
    first = Booking.objects.get(party=pks[0])
    notice = Notice.objects.create(
        kind=NoticeKind.REMINDER,
        party_id=first.party_id,
        booking=first,
        lane=LANES[NoticeKind.REMINDER],
        dedupe_key=f"reminder:{first.pk}",
        facts={"starts_at": session.starts_at.isoformat(), "days": 1},
        created_at=at,
        next_attempt_at=at,
    )
    copy(
        notice,
        times=number - 1,
        party_id="it.party_id + number",
        booking_id="it.booking_id + number",
        dedupe_key="'reminder:' || (it.booking_id + number)",
    )
    return [notice.pk + after for after in range(number)]
