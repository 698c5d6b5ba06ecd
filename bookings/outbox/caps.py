"""How many mails an address gets that anybody who knows it can cause."""

from datetime import datetime, timedelta

from bookings.models import UNPROVEN_KINDS, Notice, NoticeKind, NoticeStatus
from bookings.outbox.claims import SERVER_REST

# At most so many mails an hour reach an address on the mere word of whoever filled in the form.
UNPROVEN_AN_HOUR = 3
HOUR = timedelta(hours=1)
# Kinds that anybody who knows an address can cause, also of a mailbox that is proven.
ASKED_BY_ANYBODY = frozenset({NoticeKind.LINK, NoticeKind.ALREADY_IN})


def capped_until(notice: Notice, *, now: datetime) -> datetime | None:
    """When the hour allows this mail, or None if it does now.

    Counted after the own claim is committed: of two workers at least one sees the other's claim. Both may wait, they
    never both pass.
    """
    if notice.kind not in UNPROVEN_KINDS or (notice.party.is_proven and notice.kind not in ASKED_BY_ANYBODY):
        return None
    same_address = Notice.objects.filter(kind__in=UNPROVEN_KINDS, party__person_key=notice.party.person_key)
    others = same_address.exclude(pk=notice.pk)
    times = others.filter(sent_at__gt=now - HOUR).order_by("-sent_at").values_list("sent_at", flat=True)
    sent = [at for at in times if at]
    if len(sent) >= UNPROVEN_AN_HOUR:
        return sent[UNPROVEN_AN_HOUR - 1] + HOUR
    sending = others.filter(status=NoticeStatus.SENDING, lease_until__gt=now).count()
    return now + SERVER_REST if len(sent) + sending >= UNPROVEN_AN_HOUR else None
