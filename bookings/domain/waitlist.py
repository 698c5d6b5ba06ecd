"""The line of a session: who is offered what becomes free, and what becomes of an offer.

Source of the rules: DESIGN part 4, "The line", "The fit rule" and "How long an offer stands".
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _

from bookings import outbox
from bookings.domain.errors import BookingError
from bookings.domain.first_call import keep_places, may_have_what_is_kept, sessions_to_keep_anew
from bookings.domain.locks import Locked, for_each, in_one_transaction, lock_party
from bookings.domain.offers import LAST_CALL, offer_ends
from bookings.domain.people import Person, check_people, write_members
from bookings.models import (
    Booking,
    BookingEvent,
    BookingStatus,
    Decision,
    DecisionReason,
    DecisionTrigger,
    NoticeKind,
    OfferSource,
    Party,
    TourSession,
)
from bookings.models.compiled import Given, compiled

# Places are saved for the head of the line until this long before the roster locks; then gaps are filled.
FILLS_GAPS = LAST_CALL
# These free nothing: what they find as it was decided before adds no decision.
TELL_ONLY_NEWS = frozenset(
    {DecisionTrigger.SCAN, DecisionTrigger.SIGN_UP, DecisionTrigger.JOINED, DecisionTrigger.FIRST_CALL}
)
# Why a booking waits again, as its history tells: an offer of fewer places was refused.
WAITS_FOR_ALL = "waits for all"
# Why a booking ended, as its history tells: the party took other places.
SAID_YES_ELSEWHERE = "said yes elsewhere"
# What a party has that came, or was missed, once its session has begun.
HAS_VISITED = frozenset({BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN, BookingStatus.NO_SHOW})
# A party's lapse with this number in a season ends all its waiting.
LAST_LAPSE = 2
# A waiting party proves its mailbox within this time, if the mail that asks for it cannot be handed over.
PROVE_WITHIN_AT_MOST = timedelta(hours=48)


class OfferGone(BookingError):
    message = _("These places are no longer kept for you: the time to answer had run out.")


class TooLateToMove(BookingError):
    message = _("Your tour has begun. You can no longer change to another session.")


class NothingOffered(BookingError):
    message = _("There is no offer to answer.")


class WhoComes(BookingError):
    message = _("Fewer places are kept for you than you are people. Choose who comes.")


class NextInLine(NamedTuple):
    """Whom the free places go to, or for whom they are saved; nobody in either if nobody in line may have them."""

    booking: Booking | None
    saved_for: Booking | None


def next_in_line(session: TourSession, *, now: datetime) -> NextInLine:
    """The fit rule: saved for the head of the line until the last call; from then on the first that fits gets them,
    those who can come at short notice before the others. A party that would come only with more places than are given
    out in this session at most is no head: it is passed, and nothing is saved for it."""
    if now < session.roster_locks_at - FILLS_GAPS:
        head = Booking.objects.head_of(session)
        if head is None or fits(head, session):
            return NextInLine(head, None)
        return NextInLine(None, head)
    if not session.parties_free:
        return NextInLine(None, None)
    line = Booking.objects.select_related("party")
    return NextInLine(line.first_that_fits(session, places=session.places_free), None)


def fits(booking: Booking, session: TourSession) -> bool:
    """Whether the party would come with what is free for it, if need be with fewer than it is."""
    free = session.free(first_call=booking.first_call)
    return free.parties > 0 and booking.least <= free.places


def is_free_for_newcomers(
    session: TourSession, *, size: int, now: datetime, first_call: bool = False, own: Booking | None = None
) -> bool:
    """Whether places are left over that the line does not want: the session is locked and its line was served.

    What is kept for first call no line wants, unless another party with first call heads it than the one that is
    ``own`` there: then it is saved for that one.
    """
    if first_call and may_have_what_is_kept(session, size=size):
        head = Booking.objects.head_of(session)
        if head is None or head == own or not head.first_call:
            return True
    if not session.room_for(size):
        return False
    return session.parties_waiting == 0 or next_in_line(session, now=now) == NextInLine(None, None)


def serve(session: TourSession, *, now: datetime, trigger: DecisionTrigger) -> Booking | None:
    """Offer free places to at most one party; whoever fits after it is served right after the commit.

    One offer a transaction keeps the order of locks simple. The caller holds the session's lock.
    """
    session.refresh_ledger()
    offered = _offer_to_next(session, now=now, trigger=trigger)
    if offered:
        transaction.on_commit(lambda: offer_free_places(session.pk, now=now, trigger=trigger), robust=True)
    return offered


def serve_all(sessions: Iterable[TourSession], *, now: datetime, trigger: DecisionTrigger) -> None:
    for session in sessions:
        serve(session, now=now, trigger=trigger)


def offer_free_places(session_pk: int, *, now: datetime, trigger: DecisionTrigger) -> int:
    """Serve the line of one session until it stops; returns the number of offers made, each its own transaction."""
    made = 0
    while _offer_once(session_pk, now=now, trigger=trigger):
        made += 1
    return made


def serve_waiting_lines(*, now: datetime) -> int:
    """The scan that heals what a crash left: serve every session where places are free and parties wait.

    Returns how many sessions had something to offer.
    """
    sessions = TourSession.objects.with_idle_places(now).order_by("pk").values_list("pk", flat=True)
    return for_each(list(sessions), lambda pk: bool(offer_free_places(pk, now=now, trigger=DecisionTrigger.SCAN)))


def serve_what_is_kept(season_pk: int, *, now: datetime) -> None:
    """Bring what the sessions of a season keep for first call up to date, and offer what they keep no longer."""
    for_each(sessions_to_keep_anew(season_pk, now=now), lambda pk: _serve_what_was_kept(pk, now=now))


def serve_what_is_kept_after(season_pk: int, *, now: datetime) -> None:
    """The same, once this transaction is committed: the order of locks allows it no other sessions now."""
    transaction.on_commit(lambda: serve_what_is_kept(season_pk, now=now), robust=True)


def keep_places_before_others_ask(session: TourSession, *, now: datetime) -> None:
    """Bring what the session keeps up to date; what it keeps no longer its line is offered after the commit.

    Who changed what is kept asks the line as well, but it finds nothing to do if the change is seen here first.
    """
    if keep_places(session, now=now):
        again = DecisionTrigger.FIRST_CALL
        transaction.on_commit(lambda: offer_free_places(session.pk, now=now, trigger=again), robust=True)


@in_one_transaction
def _serve_what_was_kept(session_pk: int, *, now: datetime) -> bool:
    session = TourSession.objects.lock([session_pk])[session_pk]
    if not keep_places(session, now=now):
        return False
    return serve(session, now=now, trigger=DecisionTrigger.FIRST_CALL) is not None


@in_one_transaction
def _offer_once(session_pk: int, *, now: datetime, trigger: DecisionTrigger) -> Booking | None:
    return _offer_to_next(TourSession.objects.lock([session_pk])[session_pk], now=now, trigger=trigger)


def _offer_to_next(session: TourSession, *, now: datetime, trigger: DecisionTrigger) -> Booking | None:
    """The caller holds the lock and has read the ledger under it."""
    keep_places(session, now=now)
    if not session.serves_its_line(now) or not session.parties_waiting or not all(session.free(first_call=True)):
        return None  # Nothing lies idle: no decision to explain.
    ends = offer_ends(now, roster_locks_at=session.roster_locks_at, zone=session.venue.zone)
    if ends is None:
        _decide(session, now=now, trigger=trigger, reason=DecisionReason.TOO_LATE)
        return None
    while True:
        booking, saved_for = next_in_line(session, now=now)
        if booking is None:
            _decide_to_wait(session, saved_for, now=now, trigger=trigger)
            return None
        booking.party = Party.objects.lock(booking.party_id)
        booking.session = session
        if Booking.objects.is_in_line(booking):
            break  # Still in line now that the party cannot answer anything else.
    places = min(booking.places, session.free(first_call=booking.first_call).places)
    _decide(session, now=now, trigger=trigger, reason=DecisionReason.OFFERED, offered_to=booking, places=places)
    booking.move_to(
        BookingStatus.OFFERED,
        now=now,
        who="line",
        why=trigger,
        offer_expires_at=ends,
        offer_source=OfferSource.WAITLIST,
        places=places,
    )
    tell_of_offer(booking, ends=ends, now=now)
    transaction.on_commit(lambda: _serve_lines_left_by(booking.party_id, now=now), robust=True)
    return booking


def _serve_lines_left_by(party_pk: int, *, now: datetime) -> None:
    """A party that is asked stands in none of its other lines meanwhile: what was saved for it there goes on."""
    for line in _lines_with_idle_places(party=party_pk, now=now):
        offer_free_places(line.session_id, now=now, trigger=DecisionTrigger.LEFT)


@compiled
def _lines_with_idle_places() -> QuerySet[Booking]:
    """Those of a party, in the order of its wishes."""
    idle = TourSession.objects.with_idle_places(Given("now")).filter(pk=OuterRef("session"))
    waits_for = Booking.objects.waiting().filter(Exists(idle), party=Given("party"))
    return waits_for.order_by("preference").only("session")


def tell_of_offer(booking: Booking, *, ends: datetime, now: datetime) -> None:
    """Owe the mail that names this deadline; it is sent only while the offer ends then."""
    outbox.post(
        NoticeKind.OFFER,
        booking.party,
        booking=booking,
        key=f"{booking.pk}:{ends.isoformat()}",
        now=now,
        expires_at=ends,
        facts={"ends": ends.isoformat()},
    )


def _decide_to_wait(
    session: TourSession, saved_for: Booking | None, *, now: datetime, trigger: DecisionTrigger
) -> None:
    """Store why nobody is asked although places are free."""
    is_called = saved_for is not None and saved_for.first_call
    if not all(session.free(first_call=is_called)):
        _decide(session, now=now, trigger=trigger, reason=DecisionReason.KEPT, places=session.places_kept)
    elif saved_for:
        reason, places = DecisionReason.SAVED, saved_for.least
        _decide(session, now=now, trigger=trigger, reason=reason, saved_for=saved_for, places=places)
    else:
        _decide(session, now=now, trigger=trigger, reason=DecisionReason.NO_FIT)


def _decide(
    session: TourSession,
    *,
    now: datetime,
    trigger: DecisionTrigger,
    reason: DecisionReason,
    offered_to: Booking | None = None,
    saved_for: Booking | None = None,
    places: int | None = None,
) -> None:
    """Store why the serving went as it did, unless it is what was stored last and nothing became free since."""
    free = session.free(first_call=saved_for is not None and saved_for.first_call)
    decision = Decision(
        session=session,
        decided_at=now,
        trigger=trigger,
        places_free=free.places,
        parties_free=free.parties,
        offered_to=offered_to,
        saved_for=saved_for,
        places=places,
        reason=reason,
    )
    last = session.decisions.last() if trigger in TELL_ONLY_NEWS else None
    if not (last and last.says_the_same(decision)):
        decision.save()


def new_in_line(
    party: Party, session: TourSession, *, preference: int, now: datetime, first_call: bool = False
) -> Booking:
    """A booking that takes the next number of the session, still to be written. The caller holds the session's lock."""
    if party.is_proven:
        session.count_in_line()
    return _new(
        party,
        session,
        status=BookingStatus.WAITING,
        preference=preference,
        status_since=now,
        queue_number=session.take_queue_number(),
        in_line=party.is_proven,
        first_call=first_call,
    )


def new_offer(party: Party, session: TourSession, *, preference: int, ends: datetime, now: datetime) -> Booking:
    """A booking of a party that finds room when it asks, still to be written. The ledger holds its places already."""
    return _new(
        party,
        session,
        status=BookingStatus.OFFERED,
        preference=preference,
        status_since=now,
        offer_expires_at=ends,
        offer_source=OfferSource.SIGN_UP,
    )


def _new(party: Party, session: TourSession, **given: Any) -> Booking:
    """A booking with what it keeps of its party."""
    kept = {"places": party.size, "least": party.smallest_size, "short_notice": party.short_notice}
    return Booking(party=party, session=session, **kept | given)


def write_new(bookings: Collection[Booking], *, now: datetime, who: str = "party", why: str = "") -> None:
    """Write the bookings and the beginning of their histories."""
    Booking.objects.bulk_create(bookings)
    BookingEvent.objects.bulk_create(
        BookingEvent(booking=booking, to_status=booking.status, happened_at=now, who=who, why=why)
        for booking in bookings
    )


def prove(locked: Locked, *, now: datetime) -> None:
    """Let the party stand in its lines: the mailbox is proven. Its numbers were taken when it asked."""
    if locked.party.is_proven:
        return
    locked.party.prove(now=now)
    bookings = locked.bookings()
    is_offered = any(booking.status == BookingStatus.OFFERED for booking in bookings)
    for booking in bookings:
        if booking.status == BookingStatus.WAITING:
            booking.session.count_in_line()
            Booking.objects.filter(pk=booking.pk).update(in_line=not is_offered)


@in_one_transaction
def accept_offer(
    booking_pk: int, *, now: datetime, coming: Collection[int] = (), who: str = "party", why: str = ""
) -> None:
    """Say yes: the places are the party's, its other bookings are superseded. Raises OfferGone, NothingOffered,
    TooLateToMove, and for an offer of fewer places WhoComes or what ``check_people`` raises.

    ``coming`` are the positions of the members who come with the lead, where fewer places are offered than the party
    has people. Saying yes twice is one yes. Taking the offer proves the mailbox as well: the link came by mail.
    """
    booking, others, locked = _locked_booking(booking_pk)
    if booking.status == BookingStatus.CONFIRMED:
        return
    if booking.status != BookingStatus.OFFERED:
        raise OfferGone if booking.status == BookingStatus.LAPSED else NothingOffered
    if booking.offer_has_run_out(now):
        raise OfferGone
    if any(other.status in HAS_VISITED and now >= other.session.starts_at for other in others):
        raise TooLateToMove
    prove(locked, now=now)
    if booking.places < booking.party.size:
        _leave_at_home(booking.party, coming, places=booking.places)
    was_called = booking.party.first_call_until is not None
    lines = [
        (other.session, DecisionTrigger.MOVED if other.holds_places else DecisionTrigger.LEFT)
        for other in others
        if other.session_id != booking.session_id
    ]
    confirm(booking, others, now=now, who=who, why=why)
    for session, trigger in lines:
        serve(session, now=now, trigger=trigger)
    if was_called:
        serve_what_is_kept_after(booking.party.season_id, now=now)


def _leave_at_home(party: Party, coming: Collection[int], *, places: int) -> None:
    """The party becomes as large as what it was offered; the lead comes in any case."""
    companions = [member for member in party.members.all() if member.position in coming]
    if len(companions) != places - 1:
        raise WhoComes
    lead = Person(party.lead_name, party.lead_age_from, party.lead_age_to)
    people = [Person(member.name, member.age_from, member.age_to) for member in companions]
    check_people(party.season.tour, [lead, *people])
    write_members(party, people)
    party.size, party.smallest_size = places, min(party.smallest_size, places)
    party.save(update_fields=["size", "smallest_size"])


def confirm(
    booking: Booking,
    others: Collection[Booking],
    *,
    now: datetime,
    who: str,
    why: str = "",
    tell: NoticeKind = NoticeKind.CONFIRMED,
    facts: dict[str, str] | None = None,
) -> None:
    """The places are the party's, and the mail says which it gave up for them. The caller holds the locks and the offer
    stands."""
    given_up = next((other.session for other in others if other.status == BookingStatus.CONFIRMED), None)
    facts = facts or ({"starts_at": given_up.starts_at.isoformat()} if given_up else {})
    # A calendar may still show what was given up or called off, or have taken it away: this entry comes after that.
    if booking.party.calendar_sequence or given_up or tell == NoticeKind.SWAPPED:
        booking.party.raise_calendar_sequence()
    for other in others:
        if other.status in {BookingStatus.WAITING, BookingStatus.CONFIRMED}:
            other.move_to(BookingStatus.SUPERSEDED, now=now, who=who, why=SAID_YES_ELSEWHERE)
    # Whatever line it stood in, it stands in none now.
    booking.move_to(BookingStatus.CONFIRMED, now=now, who=who, why=why, waits_elsewhere=False)
    booking.party.use_first_call()
    outbox.post(tell, booking.party, booking=booking, key=str(booking.pk), now=now, facts=facts)


@in_one_transaction
def decline_offer(booking_pk: int, *, now: datetime, who: str = "party", why: str = "") -> None:
    """Not this date: ends this booking and keeps the party's others.

    Raises NothingOffered, or OfferGone: what ran out is a lapse, also before the clock comes by.
    """
    booking, others, _locked = _locked_booking(booking_pk)
    if booking.status == BookingStatus.DECLINED:
        return
    if booking.status != BookingStatus.OFFERED:
        raise OfferGone if booking.status == BookingStatus.LAPSED else NothingOffered
    if booking.offer_has_run_out(now):
        raise OfferGone
    booking.move_to(BookingStatus.DECLINED, now=now, who=who, why=why)
    _serve_after_an_offer(booking, others, now=now, trigger=DecisionTrigger.DECLINED)


@in_one_transaction
def wait_for_all(booking_pk: int, *, now: datetime, who: str = "party") -> None:
    """Refuse an offer of fewer places than the party has people: it costs nothing, the party keeps its number.

    It is asked again once more places are free than it refused. Raises NothingOffered, or OfferGone: what ran out
    is a lapse.
    """
    booking, others, _locked = _locked_booking(booking_pk)
    if booking.status != BookingStatus.OFFERED or booking.places >= booking.party.size:
        raise NothingOffered
    if booking.offer_has_run_out(now):
        raise OfferGone
    booking.move_to(
        BookingStatus.WAITING,
        now=now,
        who=who,
        why=WAITS_FOR_ALL,
        places=booking.party.size,
        least=max(booking.places + 1, booking.party.smallest_size),
    )
    _serve_after_an_offer(booking, others, now=now, trigger=DecisionTrigger.DECLINED)


def lapse_offers(*, now: datetime) -> int:
    """Take back every offer that ran out; returns how many."""
    due = Booking.objects.offers_due(now).order_by("offer_expires_at", "pk").values_list("pk", flat=True)
    return for_each(list(due), lambda pk: _lapse(pk, now=now))


@in_one_transaction
def _lapse(booking_pk: int, *, now: datetime) -> bool:
    booking, others, _locked = _locked_booking(booking_pk)
    if booking.status != BookingStatus.OFFERED or not booking.offer_has_run_out(now):
        return False
    party, session = booking.party, booking.session
    if booking.offer_source == OfferSource.SIGN_UP:
        booking.move_to(BookingStatus.LAPSED, now=now, who="clock")
    else:
        party.lapses += 1
        party.save(update_fields=["lapses"])
        if party.lapses < LAST_LAPSE and session.serves_its_line(now):
            booking.first_call = False  # At the end of the line, behind everybody.
            booking.save(update_fields=["first_call"])
            booking.move_to(
                BookingStatus.WAITING,
                now=now,
                who="clock",
                why="lapsed",
                queue_number=session.take_queue_number(),
                places=party.size,
                least=max(booking.least, party.smallest_size),
            )
        else:
            booking.move_to(BookingStatus.LAPSED, now=now, who="clock")
        if party.lapses >= LAST_LAPSE:
            for other in others:
                if other.status == BookingStatus.WAITING:
                    other.move_to(BookingStatus.LAPSED, now=now, who="clock", why="second lapse")
        outbox.post(NoticeKind.OFFER_LAPSED, party, booking=booking, key=f"{booking.pk}:{party.lapses}", now=now)
    _serve_after_an_offer(booking, others, now=now, trigger=DecisionTrigger.LAPSED)
    return True


def _serve_after_an_offer(
    booking: Booking, others: Collection[Booking], *, now: datetime, trigger: DecisionTrigger
) -> None:
    """The places are free again, and the party counts again in the other lines it stands in."""
    serve(booking.session, now=now, trigger=trigger)
    serve_all((other.session for other in others), now=now, trigger=trigger)


def close_lines(*, now: datetime) -> int:
    """Tell whoever still waits when the roster has locked; returns how many bookings were closed."""
    due = Booking.objects.waiting().filter(session__roster_locks_at__lte=now).values_list("pk", flat=True)
    return for_each(list(due), lambda pk: _close(pk, now=now))


@in_one_transaction
def _close(booking_pk: int, *, now: datetime) -> bool:
    booking, _others, _locked = _locked_booking(booking_pk)
    if booking.status != BookingStatus.WAITING or now < booking.session.roster_locks_at:
        return False
    booking.move_to(BookingStatus.CLOSED, now=now, who="clock")
    if booking.party.is_proven:
        outbox.post(NoticeKind.LINE_CLOSED, booking.party, booking=booking, key=str(booking.pk), now=now)
    return True


def end_lines_of_visitors(*, now: datetime) -> int:
    """Whoever's own tour has begun has had its visit and is asked for no other; returns how many parties."""
    asking = Booking.objects.filter(party=OuterRef("party"), status__in=[BookingStatus.WAITING, BookingStatus.OFFERED])
    visits = Booking.objects.filter(status__in=HAS_VISITED, session__starts_at__lte=now, party__erased_at=None)
    due = visits.filter(Exists(asking)).order_by("party").values_list("party", flat=True)
    return for_each(list(due), lambda pk: _end_lines_of_visitor(pk, now=now))


@in_one_transaction
def _end_lines_of_visitor(party_pk: int, *, now: datetime) -> bool:
    leave_lines(party_pk, now=now, who="clock", why=SAID_YES_ELSEWHERE)
    return True


def drop_unproven(*, now: datetime) -> int:
    """Let go of waiting parties whose mailbox was not proven in time; returns how many parties."""
    due = Party.objects.live().filter(mailbox_proven_at=None, prove_by__lte=now).values_list("pk", flat=True)
    return for_each(list(due), lambda pk: _drop(pk, now=now))


@in_one_transaction
def _drop(party_pk: int, *, now: datetime) -> bool:
    locked = lock_party(party_pk)
    if locked.party.is_proven:
        return False
    waiting = [booking for booking in locked.bookings() if booking.status == BookingStatus.WAITING]
    for booking in waiting:
        booking.move_to(BookingStatus.DROPPED, now=now, who="clock")
    return bool(waiting)


@in_one_transaction
def leave_lines(party_pk: int, *, now: datetime, who: str = "party", why: str = "") -> None:
    """Leave every line the party stands in, and let go of an offer it holds. What is confirmed stays."""
    locked = lock_party(party_pk)
    leaving = [b for b in locked.bookings() if b.status in {BookingStatus.WAITING, BookingStatus.OFFERED}]
    for booking in leaving:
        booking.move_to(BookingStatus.WITHDRAWN, now=now, who=who, why=why)
    serve_all((booking.session for booking in leaving), now=now, trigger=DecisionTrigger.LEFT)


def _locked_booking(booking_pk: int) -> tuple[Booking, list[Booking], Locked]:
    """The booking and the party's other live bookings, read again under the locks."""
    party_pk, session_pk = Booking.objects.values_list("party", "session").get(pk=booking_pk)
    locked = lock_party(party_pk, also=[session_pk])
    booking = Booking.objects.get(pk=booking_pk)
    booking.party = locked.party
    booking.session = locked.sessions[session_pk]
    others = [other for other in locked.bookings() if other.pk != booking.pk]
    return booking, others, locked
