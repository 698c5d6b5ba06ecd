"""Whose rows they are: taken a few at a time with a lease, and marked only by the worker that has them still."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import (
    Case,
    DateTimeField,
    Exists,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Value,
    When,
    prefetch_related_objects,
)
from django.db.models.functions import Least

from bookings.emails import PROVE_WITHIN, message_id
from bookings.models import SIGN_UP_OFFER, Booking, Notice, NoticeKind, NoticeStatus, Party, TourSession
from bookings.models.compiled import Given, compiled_update
from bookings.outbox.order import in_turn, look

# A claim that is not marked after this time counts as lost; longer than any single hand-over takes.
LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 8
# Mails of about one time fail together, and their reports come in any order.
FAILS_ALL_AT_ONCE = timedelta(days=1)
# Mail servers give up after four or five days (RFC 5321, section 4.5.4.1).
REPORTED_WITHIN = timedelta(days=5)
# Better twice than never, should nobody know whether the server took it: somebody waits for these with a clock running.
SENT_AGAIN = frozenset(
    {
        NoticeKind.PROVE,
        NoticeKind.IN_LINE,
        NoticeKind.OFFER,
        NoticeKind.LINK,
        NoticeKind.CONFIRMED,
        NoticeKind.SWAPPED,
        NoticeKind.CALLED_OFF,
        NoticeKind.CANCELLED,
        NoticeKind.CHANGED,
    }
)


def claim(most: int, *, now: datetime, lanes: Sequence[int] | None = None) -> list[int]:
    """Take up to so many due rows, lane by lane, until ``now`` + LEASE; returns their keys in that order. ``lanes`` are
    those in which something is due; whoever has not looked gets them looked for.

    Two workers never wait for each other and never take the same row. A row whose worker was lost is taken alone: one
    that kills its workers must not take others with it.
    """
    if lanes is None:
        lanes = look(now=now).lanes
    if not lanes:
        return []
    with transaction.atomic():
        seen = _due(most, now=now, lanes=lanes)
        is_lost = bool(seen) and seen[0].status == NoticeStatus.SENDING
        seen = seen[:1] if is_lost else [notice for notice in seen if notice.status == NoticeStatus.QUEUED]
        taken = [notice.pk for notice in seen if notice.status == NoticeStatus.QUEUED or _may_try_again(notice)]
        if taken:
            Notice.objects.filter(pk__in=taken).update(
                status=NoticeStatus.SENDING,
                lease_until=now + LEASE,
                next_attempt_at=now + LEASE,
                rests_for_server=False,
            )
    return taken


def _due(most: int, *, now: datetime, lanes: Sequence[int]) -> list[Notice]:
    """One range of an index a lane. Rows that another worker is just claiming are passed over."""
    seen: list[Notice] = []
    for lane in lanes:
        if len(seen) < most:
            due = in_turn(Notice.objects.due(now).filter(lane=lane), now=now)
            due = due.only("kind", "status", "attempts", "begun_at")
            seen += due.select_for_update(skip_locked=True)[: most - len(seen)]
    return seen


def _may_try_again(lost: Notice) -> bool:
    """Its worker was lost: the loss counts as a try. Settles the row that must not be tried again."""
    given_up = None
    if lost.begun_at and lost.kind not in SENT_AGAIN:
        given_up = NoticeStatus.UNKNOWN
    elif lost.attempts >= MOST_ATTEMPTS:
        given_up = NoticeStatus.DEAD
    row = Notice.objects.filter(pk=lost.pk)
    if given_up:
        row.update(status=given_up, lease_until=None, last_error="the worker was lost")
    else:
        row.update(attempts=F("attempts") + 1)
    return given_up is None


def load(pks: Sequence[int], *, claimed_at: datetime) -> list[Notice]:
    """The claimed rows with all that their mails speak of, in the order given; without those that are lost by now."""
    rows = _claimed(pks, claimed_at).select_related("party__season__tour", "booking")
    found = rows.prefetch_related(
        "party__members",
        "party__season__mail_texts",
        "booking__events",
        Prefetch("party__bookings", Booking.objects.live(), to_attr="live_bookings"),
    )
    for notice in found:
        for booking in filter(None, [notice.booking, *vars(notice.party)["live_bookings"]]):
            if booking.party_id == notice.party_id:
                booking.party = notice.party
    # Many mails speak of one session: it is read once for all of them.
    spoken_of = [notice.booking for notice in found if notice.booking]
    spoken_of += [booking for notice in found for booking in vars(notice.party)["live_bookings"]]
    sessions = TourSession.objects.select_related("venue", "season__tour")
    prefetch_related_objects(spoken_of, Prefetch("session", sessions))
    by_pk = {notice.pk: notice for notice in found}
    return [by_pk[pk] for pk in pks if pk in by_pk]


def begin(notice: Notice, *, now: datetime) -> bool:
    """The text is about to be offered to the server. False if the row is another worker's by now.

    The notice in hand keeps what stood before, which ``settle`` puts back where nothing left.
    """
    begun = _begun(
        pk=notice.pk,
        lease_until=notice.lease_until,
        now=now,
        next_lease=now + LEASE,
        tries=notice.attempts + 1,
        message_id=message_id(notice),
    )
    if begun:
        notice.lease_until = now + LEASE
    return bool(begun)


def release(pks: Sequence[int], *, claimed_at: datetime, error: str = "") -> None:
    """What was claimed and not touched goes back, and was not tried.

    To its turn, unless it has rested after a try: that must not look as late as it was owed early.
    """
    turn = Case(When(attempts=0, then=Least(F("created_at"), Value(claimed_at))), default=Value(claimed_at))
    changes: dict[str, Any] = {"last_error": error} if error else {}
    _claimed(pks, claimed_at).update(
        status=NoticeStatus.QUEUED,
        lease_until=None,
        next_attempt_at=turn,
        **changes,
    )


def put_off(notice: Notice, until: datetime, *, error: str = "", **changes: Any) -> None:
    """Later, and this try does not count."""
    settle(notice, NoticeStatus.QUEUED, error=error, next_attempt_at=until, **changes)


def settle(notice: Notice, status: NoticeStatus, *, error: str = "", **changes: Any) -> None:
    """Mark a row of which nothing left in this try."""
    before = {name: getattr(notice, name) for name in ("attempts", "begun_at", "times_begun")}
    _own(notice).update(status=status, lease_until=None, last_error=error, **before | changes)


def bounce(notice: Notice, *, status: str, now: datetime, **changes: Any) -> None:
    """The server knows that the address takes no mail: the mail is settled, and hosts see it of the party."""
    settle(notice, NoticeStatus.BOUNCED, **changes)
    party = Party.objects.filter(pk=notice.party_id, email=notice.party.email, erased_at=None)
    party.update(mail_failed_at=now, mail_failure=status)


def leave_open(notice: Notice, status: NoticeStatus, *, error: str, **changes: Any) -> None:
    """Mark a row that may have left: that it was begun stays written."""
    _own(notice).update(status=status, lease_until=None, last_error=error, **changes)


def mark_sent(notice: Notice, *, handed_over_at: datetime) -> None:
    """The mail has left; the times that count from it begin.

    They begin first, each row by itself: should this worker be lost in between, the mail leaves once more, and the
    time that the first one began goes on.
    """
    match notice.kind:
        case NoticeKind.PROVE if notice.booking_id:
            _sign_up_clock_started(pk=notice.booking_id, ends=handed_over_at + SIGN_UP_OFFER)
        case NoticeKind.IN_LINE:
            ends = handed_over_at + PROVE_WITHIN
            later = Q(prove_by=None) | Q(prove_by__gt=ends)
            Party.objects.filter(later, pk=notice.party_id, mailbox_proven_at=None).update(prove_by=ends)
    _sent(pk=notice.pk, lease_until=notice.lease_until, now=handed_over_at)
    if notice.party.mail_failed_at:
        _forgive_the_address(notice.party_id, now=handed_over_at)


def _forgive_the_address(party_pk: int, *, now: datetime) -> None:
    """That our server took this mail says little of the mailbox. But a mail that left a day or more after the failure,
    and was not reported back for as long as mail servers try, has most likely arrived."""
    arrived = Notice.objects.filter(
        party=OuterRef("pk"),
        status=NoticeStatus.SENT,
        sent_at__gte=OuterRef("mail_failed_at") + FAILS_ALL_AT_ONCE,
        sent_at__lte=now - REPORTED_WITHIN,
    )
    Party.objects.filter(Exists(arrived), pk=party_pk).update(mail_failed_at=None, mail_failure="")


def _own(notice: Notice) -> QuerySet[Notice]:
    """The row as this worker claimed it: nothing, if the lease ran out and it is another worker's by now."""
    return Notice.objects.filter(pk=notice.pk, status=NoticeStatus.SENDING, lease_until=notice.lease_until)


@compiled_update
def _begun() -> tuple[QuerySet[Notice], dict[str, Any]]:
    return _as_claimed(), {
        "begun_at": Given("now"),
        "times_begun": F("times_begun") + 1,
        "attempts": Given("tries"),
        "lease_until": Given("next_lease"),
        "next_attempt_at": Given("next_lease"),
        "message_id": Given("message_id"),
    }


@compiled_update
def _sent() -> tuple[QuerySet[Notice], dict[str, Any]]:
    return _as_claimed(), {
        "status": NoticeStatus.SENT,
        "sent_at": Given("now"),
        "lease_until": None,
        "last_error": "",
    }


def _as_claimed() -> QuerySet[Notice]:
    """``_own``, of a notice that is told when it is asked. All that are claimed have a lease."""
    return Notice.objects.filter(pk=Given("pk"), status=NoticeStatus.SENDING, lease_until=Given("lease_until"))


@compiled_update
def _sign_up_clock_started() -> tuple[QuerySet[Booking], dict[str, Any]]:
    """As ``Booking.objects.start_sign_up_clock``."""
    ends = Given("ends", DateTimeField())
    return Booking.objects.filter(pk=Given("pk")).sign_up_offers_beyond(ends), {"offer_expires_at": ends}


def _claimed(pks: Sequence[int], claimed_at: datetime) -> QuerySet[Notice]:
    return Notice.objects.filter(pk__in=pks, status=NoticeStatus.SENDING, lease_until=claimed_at + LEASE)
