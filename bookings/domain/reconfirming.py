"""“Are you still coming?”: a season may ask its confirmed parties some days ahead.

Silence gives a second mail and then a line on the host's list; only where the season says so, and delivery of both
mails is proven, the places are given up. Nothing is asked or given up once the roster is locked. A session that is
moved asks anew; so is a party asked anew whose links were ended, because its mails open nothing any more.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from bookings import outbox
from bookings.domain import reports, visit
from bookings.domain.errors import BookingError
from bookings.domain.locks import for_each, in_one_transaction, lock_party
from bookings.domain.people import Person
from bookings.models import (
    Booking,
    BookingEvent,
    BookingStatus,
    Notice,
    NoticeKind,
    NoticeStatus,
    Season,
    TourSession,
)

# A moved session asks this long after the move at the earliest: first the mail of the change has its time.
AFTER_MOVE = timedelta(days=1)
# Silent for so long after the first mail was handed over, a party gets the second ...
SECOND_AFTER = timedelta(hours=48)
# ... and so long after the second one it may lose its places.
RELEASED_AFTER = timedelta(hours=24)
# The hook for reports on mail must have been heard of within this time. It is no longer than RELEASED_AFTER, so
# that it was heard of since the second mail left.
REPORTS_HEARD_WITHIN = RELEASED_AFTER

# What the history of a booking says: the party answered, or it was silent and its places were given up.
STILL_COMING = "still coming"
SILENT = "did not answer"
# What the facts of the second mail hold besides those of the first.
AGAIN = "again"


class AskedOfAnotherVisit(BookingError):
    message = _("Your visit has changed since you opened this page. Look at it again, and then answer.")


class Asked(NamedTuple):
    """A confirmed party that has not answered, and the mails that asked it; neither yet where both are None."""

    booking: Booking
    moved_at: datetime | None  # when its session got the time it has now, if it was moved
    first: Notice | None
    second: Notice | None


def plan_asks(*, now: datetime) -> int:
    """Owe every question that has come due; returns how many are new. Planning twice or in parallel adds nothing.

    Who was confirmed after the question was due is not asked: it has just said that it comes.
    """
    return sum(_ask(asked, now=now) for asked in _unanswered(_sessions_asking(now=now)))


def is_asked(booking: Booking, *, now: datetime) -> bool:
    """Whether the party should say now whether it is still coming."""
    is_open = booking.session.season.asks_again_days is not None and now < booking.session.roster_locks_at
    return is_open and any(asked.first for asked in _unanswered([booking.session], of=booking))


def has_said_yes(booking: Booking) -> bool:
    """Whether the party said so of the time the session has now."""
    return _says_yes(booking, booking.session.moved_at)


@in_one_transaction
def say_yes(party_pk: int, *, booking_pk: int, starts_at: datetime, now: datetime, who: str = "party") -> None:
    """The party is still coming, with the booking and at the time it saw. Saying so twice is saying so once.

    A host may say so for a party that was called. Raises NothingConfirmed, TooLateToCancel once the tour has begun, and
    AskedOfAnotherVisit if the party moved or swapped meanwhile, or its session was moved.
    """
    booking = _as_it_saw(party_pk, booking_pk=booking_pk, starts_at=starts_at, now=now)
    if has_said_yes(booking):
        return
    booking.still_coming_at = now
    booking.save(update_fields=["still_coming_at"])
    BookingEvent.objects.create(
        booking=booking,
        from_status=booking.status,
        to_status=booking.status,
        happened_at=now,
        who=who,
        why=STILL_COMING,
    )


@in_one_transaction
def say_fewer(party_pk: int, *, size: int, booking_pk: int, starts_at: datetime, now: datetime) -> None:
    """As ``say_yes``, but with so many: those that the party named last stay at home. Twice is once.

    Raises besides what ``visit.come_with_fewer`` raises.
    """
    booking = _as_it_saw(party_pk, booking_pk=booking_pk, starts_at=starts_at, now=now)
    party = booking.party
    if party.size == size and has_said_yes(booking):
        return
    if size not in visit.smaller_sizes(party):
        raise visit.NotFewer
    lead, *companions = [Person(*person) for person in party.people()[:size]]
    visit.come_with_fewer(party_pk, lead=lead, companions=companions, now=now)


def silent_parties(season: Season, *, now: datetime) -> list[Asked]:
    """Who was asked and has not answered, by session, until it begins: the host's list."""
    ahead = TourSession.objects.filter(season=season, called_off_at=None, starts_at__gt=now)
    asked = _unanswered(list(ahead.select_related("season__tour", "venue").order_by("starts_at", "pk")))
    return [each for each in asked if each.first]


def release_silent(*, now: datetime) -> int:
    """Give up the places of parties that did not answer two mails, in seasons that say so; returns of how many.

    What becomes free goes to the line at once. Of a party of which it is not proven that both mails arrived nothing is
    taken.
    """
    if not reports_are_heard(now=now):
        return 0
    releasing = [session for session in _sessions_asking(now=now) if session.season.releases_silent]
    parties = [each.booking.party_id for each in _unanswered(releasing) if _is_silent_for_long(each, now=now)]
    return for_each(parties, lambda party_pk: _release(party_pk, now=now))


@in_one_transaction
def _release(party_pk: int, *, now: datetime) -> bool:
    booking = _confirmed(party_pk)
    if booking is None or not booking.session.season.releases_silent or now >= booking.session.roster_locks_at:
        return False
    if not delivery_is_proven(booking, now=now):
        return False
    visit.cancel_places(party_pk, now=now, who="clock", why=SILENT)
    return True


def delivery_is_proven(booking: Booking, *, now: datetime) -> bool:
    """Whether both mails reached the party: handed over, a day has passed, and nobody reported that they did not.

    That nobody did says something only if reports would reach us. The address must be the one that was proven: links
    that were ended may mean that it is another.
    """
    party = booking.party
    asked = next(iter(_unanswered([booking.session], of=booking)), None)
    if asked is None or asked.first is None or not _is_silent_for_long(asked, now=now) or not party.is_proven:
        return False
    if party.mail_failed_at or party.complained_at or party.link_version > 1:
        return False
    failed = [NoticeStatus.BOUNCED, NoticeStatus.DEAD, NoticeStatus.UNKNOWN]
    since = party.notices.filter(created_at__gte=asked.first.created_at)
    return not since.filter(status__in=failed).exists() and reports_are_heard(now=now)


def reports_are_heard(*, now: datetime) -> bool:
    """Whether what becomes of handed-over mail is reported to us: the hook is set up and was heard of lately."""
    return reports.are_heard(since=now - REPORTS_HEARD_WITHIN)


def _is_silent_for_long(asked: Asked, *, now: datetime) -> bool:
    """Both mails were handed over, the second a day ago."""
    return (
        asked.first is not None
        and asked.first.status == NoticeStatus.SENT
        and asked.second is not None
        and asked.second.status == NoticeStatus.SENT
        and asked.second.sent_at is not None
        and asked.second.sent_at <= now - RELEASED_AFTER
    )


def _sessions_asking(*, now: datetime) -> list[TourSession]:
    """Sessions in which the question is due: their season asks, they take place, their roster is open."""
    asking = TourSession.objects.filter(
        season__asks_again_days__isnull=False, called_off_at=None, roster_locks_at__gt=now
    )
    return [session for session in asking.select_related("season").order_by("pk") if _due(session) <= now]


def _due(session: TourSession) -> datetime:
    """So many days before the start, counted as hours."""
    return session.starts_at - timedelta(days=session.season.asks_again_days or 0)


def _unanswered(sessions: Collection[TourSession], *, of: Booking | None = None) -> list[Asked]:
    """Confirmed parties of these sessions that have not answered, in the order of the sessions: two queries."""
    by_pk = {session.pk: session for session in sessions}
    if not by_pk:
        return []
    confirmed = Booking.objects.filter(session__in=by_pk, status=BookingStatus.CONFIRMED).exclude(party__email="")
    asks = Notice.objects.filter(kind=NoticeKind.STILL_COMING, booking__session__in=by_pk).order_by("pk")
    if of is not None:
        confirmed, asks = confirmed.filter(pk=of.pk), asks.filter(booking=of)
    asks_of = defaultdict(list)
    for notice in asks:
        asks_of[notice.booking_id].append(notice)
    silent = defaultdict(list)
    for booking in confirmed.select_related("party").order_by("pk"):
        booking.session = by_pk[booking.session_id]
        moved_at = booking.session.moved_at
        if not _says_yes(booking, moved_at):
            silent[booking.session_id].append(_asked(booking, asks_of[booking.pk], moved_at=moved_at))
    return [asked for pk in by_pk for asked in silent[pk]]


def _asked(booking: Booking, asks: Sequence[Notice], *, moved_at: datetime | None) -> Asked:
    """With the mails that asked about the time the session has now, by a link that still opens the party's page."""
    facts = _facts(booking)
    holding = [
        notice
        for notice in asks
        if all(notice.facts.get(name) == is_so for name, is_so in facts.items())
        and (moved_at is None or notice.created_at >= moved_at)
    ]
    first = next((notice for notice in holding if AGAIN not in notice.facts), None)
    second = next((notice for notice in holding if AGAIN in notice.facts), None)
    return Asked(booking, moved_at, first, second)


def _says_yes(booking: Booking, moved_at: datetime | None) -> bool:
    said = booking.still_coming_at
    return said is not None and (moved_at is None or said >= moved_at)


def _facts(booking: Booking) -> dict[str, object]:
    return {"starts_at": booking.session.starts_at.isoformat(), "link_version": booking.party.link_version}


def _ask(asked: Asked, *, now: datetime) -> bool:
    """Owe the mail whose turn it is, if any is due."""
    booking = asked.booking
    is_due = _second_is_due(asked.first, now=now) if asked.first else _first_is_due(booking, asked.moved_at, now=now)
    if asked.second or not is_due:
        return False
    again = {AGAIN: True} if asked.first else {}
    outbox.post(
        NoticeKind.STILL_COMING,
        booking.party,
        booking=booking,
        key=_key(asked),
        now=now,
        expires_at=booking.session.roster_locks_at,
        facts=_facts(booking) | again,
    )
    return True


def _first_is_due(booking: Booking, moved_at: datetime | None, *, now: datetime) -> bool:
    """Never of places that were confirmed later."""
    due = _due(booking.session)
    if moved_at is None:
        return booking.status_since < due <= now
    return booking.status_since < max(due, moved_at) and max(due, moved_at + AFTER_MOVE) <= now


def _second_is_due(first: Notice, *, now: datetime) -> bool:
    """Counted from the hand-over; the first may have left where nobody knows."""
    may_have_left = first.status in {NoticeStatus.SENT, NoticeStatus.UNKNOWN}
    return may_have_left and (first.sent_at or first.created_at) + SECOND_AFTER <= now


def _key(asked: Asked) -> str:
    """Once for each time that a session has, each time it gets it, and each version of the party's links."""
    facts, moved_at = _facts(asked.booking), asked.moved_at
    moved = f"{moved_at:%Y%m%d%H%M%S}" if moved_at else ""
    number = 2 if asked.first else 1
    return f"{asked.booking.pk}:{facts['starts_at']}:{moved}:{facts['link_version']}:{number}"


def _as_it_saw(party_pk: int, *, booking_pk: int, starts_at: datetime, now: datetime) -> Booking:
    """The confirmed booking, if it is the one that the answer was given of, at the time it was given of."""
    booking = _confirmed(party_pk)
    if booking is None:
        raise visit.NothingConfirmed
    if now >= booking.session.starts_at:
        raise visit.TooLateToCancel
    if (booking.pk, booking.session.starts_at) != (booking_pk, starts_at):
        raise AskedOfAnotherVisit
    return booking


def _confirmed(party_pk: int) -> Booking | None:
    locked = lock_party(party_pk)
    return next((booking for booking in locked.bookings() if booking.status == BookingStatus.CONFIRMED), None)
