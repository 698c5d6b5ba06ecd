"""Owing a party a mail, in the transaction of the change that it tells."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from bookings.models import CALENDAR_KINDS, LANES, ROWS_A_STATEMENT, Booking, Notice, NoticeKind, Party, TourSession
from bookings.outbox.caps import HOUR
from bookings.outbox.senders import nudge_for_a_change

# What tells of one visit and has no end of its own: once that is over nobody needs it any more.
OF_A_VISIT = frozenset(
    {
        NoticeKind.CONFIRMED,
        NoticeKind.SWAPPED,
        NoticeKind.CANCELLED,
        NoticeKind.CALLED_OFF,
        NoticeKind.OFFER_LAPSED,
        NoticeKind.RECALLED,
        NoticeKind.LINE_CLOSED,
    }
)


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

    A kind that may bring a calendar entry notes the number of the entry, which the change raised before.
    ``facts`` are what the rows will no longer tell when the mail is built (an old time); never personal data.
    Unless ``expires_at`` says otherwise, a mail about a visit is useless once that is over.
    """
    if expires_at is None and booking and kind in OF_A_VISIT:
        expires_at = _end_for(kind, party, booking.session.ends_at)
    notice = Notice(
        dedupe_key=f"{kind}:{key}",
        kind=kind,
        party=party,
        booking=booking,
        lane=LANES[kind],
        calendar_sequence=_calendar_number(kind, party),
        facts=facts or {},
        created_at=now,
        next_attempt_at=now,
        expires_at=expires_at,
    )
    # One statement: the key itself says whether it is owed already. A nudge too many finds nothing to do.
    Notice.objects.bulk_create([notice], ignore_conflicts=True)
    transaction.on_commit(nudge_for_a_change, robust=True)


def post_all(
    kind: NoticeKind,
    bookings: Mapping[str, Booking],
    *,
    now: datetime,
    expires_at: datetime | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Owe the parties of very many bookings, each by its key, one email of this kind. Nobody is nudged: the clock
    finds the rows. The parties are at hand with their bookings, read after the change."""
    ends = {booking.pk: expires_at for booking in bookings.values()}
    if expires_at is None and kind in OF_A_VISIT:
        sessions = TourSession.objects.in_bulk({booking.session_id for booking in bookings.values()})
        for booking in bookings.values():
            ends[booking.pk] = _end_for(kind, booking.party, sessions[booking.session_id].ends_at)
    Notice.objects.bulk_create(
        (
            Notice(
                dedupe_key=f"{kind}:{key}",
                kind=kind,
                party_id=booking.party_id,
                booking=booking,
                lane=LANES[kind],
                calendar_sequence=_calendar_number(kind, booking.party),
                facts=facts or {},
                created_at=now,
                next_attempt_at=now,
                expires_at=ends[booking.pk],
            )
            for key, booking in bookings.items()
        ),
        batch_size=ROWS_A_STATEMENT,
        ignore_conflicts=True,
    )


def follow_the_visit(session: TourSession, *, ended_at: datetime) -> None:
    """Mails that wait are of use until the session's new end, where they were until its old one."""
    waiting = Notice.objects.unsettled().filter(kind__in=OF_A_VISIT, booking__session=session, expires_at=ended_at)
    waiting.update(expires_at=session.ends_at)


def _end_for(kind: NoticeKind, party: Party, session_ends_at: datetime) -> datetime:
    """Whoever was called off can still use its first call when the session would have been over."""
    if kind == NoticeKind.CALLED_OFF and party.first_call_until:
        return max(session_ends_at, party.first_call_until)
    return session_ends_at


def _calendar_number(kind: NoticeKind, party: Party) -> int | None:
    """The number of the party's calendar entry as the change has left it. The caller has raised it before it posts."""
    return party.calendar_sequence if kind in CALENDAR_KINDS else None


def post_at_most_hourly(kind: NoticeKind, party: Party, *, now: datetime) -> None:
    """Owe a mail that anybody who knows the address can cause: never two within an hour."""
    if not party.notices.filter(kind=kind, created_at__gt=now - HOUR).exists():
        post(kind, party, key=f"{party.pk}:{now:%Y%m%d%H}", now=now)
