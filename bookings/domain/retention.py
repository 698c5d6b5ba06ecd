"""Personal data is gone on its day; counts stay."""

from datetime import datetime, timedelta

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Max, Q, QuerySet

from bookings.domain import waitlist
from bookings.domain.locks import for_each, in_one_transaction, lock_party
from bookings.models import Allowance, BookingEvent, BookingStatus, DecisionTrigger, Member, Party, SwapWish

# A party whose mailbox was never proven is erased this long after it ended ...
KEEP_UNPROVEN = timedelta(days=1)
# ... every other party this long after its last session, ...
KEEP_PARTY = timedelta(days=30)
# ... and the key by which a person is known again this long after that person asked.
KEEP_PERSON_KEY = timedelta(days=365)

BATCH = 500

# All personal data of a party but its members, and what stands there afterwards.
BLANK: dict[str, object] = {
    "lead_name": "",
    "email": "",
    "phone": "",
    "access_needs": "",
    "consents": [],
    "mail_failed_at": None,
    "mail_failure": "",
    "complained_at": None,
    "network_hold": None,
}

# How a booking ends whose party is erased before its visit.
GIVEN_UP = {
    BookingStatus.ENTERED: BookingStatus.WITHDRAWN,
    BookingStatus.WAITING: BookingStatus.WITHDRAWN,
    BookingStatus.OFFERED: BookingStatus.WITHDRAWN,
    BookingStatus.CONFIRMED: BookingStatus.CANCELLED,
}


def erase_due(*, now: datetime) -> int:
    """Erase the parties whose day has come and the person keys past their year; returns how many parties."""
    due = list(parties_to_erase(now=now).values_list("pk", flat=True)[:BATCH])
    erased = for_each(due, lambda party_pk: erase(party_pk, now=now) is None)
    # The wish for no announcements holds for the person: it stays as long as the person is known again.
    Party.objects.filter(asked_at__lte=now - KEEP_PERSON_KEY, erased_at__isnull=False).exclude(person_key=None).update(
        person_key=None, wants_no_news_at=None
    )
    Allowance.objects.forget_whole(now=int(now.timestamp() * 1000))
    return erased


def parties_to_erase(*, now: datetime) -> QuerySet[Party]:
    """A party still live after its sessions (it came, or nobody checked it in) is over with them."""
    return (
        Party.objects.filter(erased_at=None)
        .annotate(last_session=Max("bookings__session__ends_at"))
        .filter(Q(mailbox_proven_at=None, ended_at__lte=now - KEEP_UNPROVEN) | Q(last_session__lte=now - KEEP_PARTY))
        .order_by("pk")
    )


@in_one_transaction
def erase(party_pk: int, *, now: datetime, who: str = "clock") -> None:
    """Blank the personal data of one party, end its links, keep its bookings and counts.

    A party whose visit still lies ahead can no longer be told of anything: what it holds or waits for goes to others.
    """
    locked = lock_party(party_pk)
    ahead = [booking for booking in locked.bookings() if now < booking.session.starts_at]
    leaving = [booking for booking in ahead if booking.status in GIVEN_UP]
    for booking in leaving:
        booking.move_to(GIVEN_UP[BookingStatus(booking.status)], now=now, who=who)
    party = locked.party
    for name, blank in BLANK.items():
        setattr(party, name, blank)
    party.link_version += 1
    party.erased_at = now
    party.ended_at = party.ended_at or now
    party.save(update_fields=[*BLANK, "link_version", "erased_at", "ended_at"])
    Member.objects.filter(party=party).update(name="")
    BookingEvent.objects.filter(booking__party=party).update(why="")
    SwapWish.objects.filter(booking__party=party).delete()
    LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(Party), object_id=str(party_pk)).update(
        change_message=""
    )
    waitlist.serve_all((booking.session for booking in leaving), now=now, trigger=DecisionTrigger.LEFT)
