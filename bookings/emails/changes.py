"""What a mail of a change has to tell, of all that changed since the party last heard from us."""

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db.models import Max

from bookings.models import Notice, NoticeKind, NoticeStatus


def changes_to_tell(notice: Notice) -> dict[str, Any]:
    """What a mail of a change has to tell: the facts that still differ from what the party was last told.

    Of changes that follow each other before a mail has left, only the last one's is sent; it tells for the others too.
    """
    facts = dict(notice.facts)
    for older in _never_told(notice):
        for name, was in older.facts.items():
            # Of one that may have left after all, the party may know the other time, and has to hear that it is back.
            if _is_another(name, was, notice) or _never_left(older):
                facts[name] = was
    return {name: was for name, was in facts.items() if _is_another(name, was, notice)}


def _never_told(notice: Notice) -> list[Notice]:
    """Earlier changes of the booking, the latest first, of which the party had no mail, nor any other mail since."""
    party = notice.party_id
    last = Notice.objects.filter(party=party, sent_at__lte=notice.created_at).aggregate(at=Max("sent_at"))["at"]
    older = Notice.objects.filter(kind=NoticeKind.CHANGED, booking=notice.booking_id, pk__lt=notice.pk)
    if last:
        older = older.filter(created_at__gte=last)
    return list(older.exclude(status=NoticeStatus.SENT).order_by("-pk"))


def _never_left(notice: Notice) -> bool:
    return notice.begun_at is None


def _is_another(name: str, was: Any, notice: Notice) -> bool:
    """Whether a time is another one now; what is no time has changed anyway."""
    if notice.booking and name in {"starts_at", "ends_at"}:
        with suppress(ValueError):  # A broken row fails where it is built.
            return bool(datetime.fromisoformat(was) != getattr(notice.booking.session, name))
    return True
