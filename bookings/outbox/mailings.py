"""Owing one mail to very many parties at once."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from bookings.models import LANES, ROWS_A_STATEMENT, Notice, NoticeKind, Party


def post_to_parties(
    kind: NoticeKind,
    parties: QuerySet[Party],
    *,
    key: str,
    now: datetime,
    expires_at: datetime | None = None,
    facts: dict[str, Any] | None = None,
) -> int:
    """Owe each party one email of this kind, however often it is posted; returns how many parties.

    Nobody is nudged: the clock finds the rows. Parties are read and written a chunk at a time, each by itself where no
    transaction is open.
    """
    owed = last = 0
    pks = parties.order_by("pk").values_list("pk", flat=True)
    while chunk := list(pks.filter(pk__gt=last)[:ROWS_A_STATEMENT]):
        Notice.objects.bulk_create(
            (
                Notice(
                    dedupe_key=f"{mailing_key(kind, key)}{party_pk}",
                    kind=kind,
                    party_id=party_pk,
                    lane=LANES[kind],
                    facts=facts or {},
                    created_at=now,
                    next_attempt_at=now,
                    expires_at=expires_at,
                )
                for party_pk in chunk
            ),
            ignore_conflicts=True,
        )
        owed, last = owed + len(chunk), chunk[-1]
    return owed


def mailing_key(kind: NoticeKind, key: str) -> str:
    """What the keys of all notices of one mailing begin with."""
    return f"{kind}:{key}:"
