"""The outbox: ``post`` writes the notice that a change owes a party, in the transaction of the change itself."""

from datetime import datetime
from typing import Any

from django.db import transaction

from bookings.models import LANES, Booking, Notice, NoticeKind, Party


def post(
    kind: NoticeKind,
    party: Party,
    *,
    key: str,
    now: datetime,
    booking: Booking | None = None,
    expires_at: datetime | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Owe the party one email of this kind; the same key is owed once however often it is posted.

    ``facts`` are what the rows will no longer tell when the mail is built (an old time); never personal data.
    """
    notice, created = Notice.objects.get_or_create(
        dedupe_key=f"{kind}:{key}",
        defaults={
            "kind": kind,
            "party": party,
            "booking": booking,
            "lane": LANES[kind],
            "facts": facts or {},
            "created_at": now,
            "next_attempt_at": now,
            "expires_at": expires_at,
        },
    )
    if created:
        transaction.on_commit(lambda: _nudge(notice.pk), robust=True)


def _nudge(notice_pk: int) -> None:
    """Wake a worker; only speed depends on it, the clock finds the row anyway."""
