"""Two confirmed parties of one season exchange their sessions, and neither learns who the other is.

A wish to swap is a yes that stands until it is withdrawn: where two wishes meet, both parties have said yes. A party
may also say yes to one wish that it sees. Wishes hang on the confirmed booking they were made with; whatever ends that
booking ends them, because only those of confirmed bookings count.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Case, Exists, ExpressionWrapper, F, IntegerField, OuterRef, Q, QuerySet, When, Window
from django.db.models.functions import Greatest, RowNumber
from django.utils.translation import gettext_lazy as _

from bookings.domain import waitlist
from bookings.domain.errors import BookingError
from bookings.domain.locks import (
    IN_THE_WAY,
    Locked,
    for_each,
    in_one_transaction,
    is_worth_another_try,
    lock_parties,
    lock_party,
    lock_sessions_of,
)
from bookings.domain.people import Person, check_people
from bookings.models import (
    Booking,
    BookingEvent,
    BookingStatus,
    DecisionTrigger,
    NoticeKind,
    Party,
    SwapWish,
    TourSession,
)

# How the history of a swapped booking begins to say why; the number of the wish follows.
SWAPPED = "swapped"
# So many of the oldest wishes are looked at for one that meets a party's own.
MOST_LOOKED_AT = 20


class NothingToSwap(BookingError):
    message = _("You hold no places that could be swapped.")


class SwapNotPossible(BookingError):
    message = _("These two parties cannot swap now.")


class RosterIsFixed(SwapNotPossible):
    message = _("The list of visitors of one of the two sessions is fixed, so nobody can swap any more.")


class AnswerFirst(SwapNotPossible):
    message = _("Places are offered to you. Answer that offer first; then you can swap.")


class NoRoomForYou(SwapNotPossible):
    message = _("You are more people than the other party, and that session has no places free for all of you.")


class NoRoomForThem(SwapNotPossible):
    message = _("The other party is larger than yours, and your session has no places free for all of it.")


class SwapGone(BookingError):
    message = _("This swap is gone: the other party has changed its plans or has swapped already.")


class SessionNotToBeHad(BookingError):
    message = _("One of these sessions is not open for swapping any more. Choose again.")


class OpenWish(NamedTuple):
    """What a party may learn of another's wish to have its session: from which session, and how many people."""

    pk: int
    session: TourSession
    people: int


def place_to_swap(party: Party, *, now: datetime) -> Booking:
    """The confirmed booking the party could swap. Raises NothingToSwap, RosterIsFixed or AnswerFirst."""
    bookings = party.bookings.live().select_related("session__season__tour", "session__venue", "party")
    return _own_booking(bookings, now=now)


def sessions_to_wish_for(booking: Booking, *, now: datetime) -> QuerySet[TourSession]:
    """The other sessions of the season, while their rosters are open and they take place."""
    others = TourSession.objects.filter(season=booking.session.season_id).exclude(pk=booking.session_id)
    open_ones = others.filter(called_off_at=None, roster_locks_at__gt=now)
    return open_ones.select_related("venue").order_by("starts_at", "pk")


def wishes_around_a_booking() -> QuerySet[SwapWish]:
    """What its party wishes, and what others wish of its session, whether or not it can be had: for a statement that
    reads bookings."""
    return SwapWish.objects.filter(Q(booking=OuterRef("pk")) | Q(wanted=OuterRef("session")))


def wishes_of(booking: Booking, *, now: datetime) -> QuerySet[SwapWish]:
    """What the party wishes and can still have, by the start of the session wanted."""
    wishes = SwapWish.objects.filter(booking=booking, booking__status=BookingStatus.CONFIRMED)
    wishes = wishes.filter(wanted__called_off_at=None, wanted__roster_locks_at__gt=now)
    return wishes.select_related("wanted__venue").order_by("wanted__starts_at", "pk")


def open_wishes_for(booking: Booking, *, now: datetime) -> list[OpenWish]:
    """What the party could say yes to: the oldest wish of each session and size, the oldest first."""
    kind = Window(RowNumber(), partition_by=[F("booking__session"), F("booking__places")], order_by=["made_at", "pk"])
    wishes = _wishes_that_fit(booking, now=now).annotate(nth=kind).filter(nth=1)
    return [OpenWish(wish.pk, wish.booking.session, wish.booking.places) for wish in _of_people_that_may_come(wishes)]


def wish_swap(party_pk: int, *, session_pks: Collection[int], now: datetime) -> bool:
    """The party would give its places for as many in any of these sessions; what it wished before is replaced.

    Exchanges at once, in a transaction of its own, if another party wishes the opposite; returns whether it did.
    Raises NothingToSwap, RosterIsFixed, AnswerFirst, SessionNotToBeHad and what ``check_people`` raises.
    """
    _write_wishes(party_pk, session_pks=session_pks, now=now)
    return exchange_if_wishes_meet(party_pk, now=now)


@in_one_transaction
def _write_wishes(party_pk: int, *, session_pks: Collection[int], now: datetime) -> None:
    locked = lock_party(party_pk)
    booking = _own_booking(locked.bookings(), now=now)
    wanted = set(session_pks)
    if sessions_to_wish_for(booking, now=now).filter(pk__in=wanted).count() != len(wanted):
        raise SessionNotToBeHad
    check_people(booking.session.season.tour, _people(booking.party))
    booking.swap_wishes.exclude(wanted__in=wanted).delete()
    kept = set(booking.swap_wishes.values_list("wanted", flat=True))
    SwapWish.objects.bulk_create(
        SwapWish(booking=booking, wanted_id=pk, made_at=now) for pk in session_pks if pk in wanted - kept
    )


@in_one_transaction
def withdraw_swap(party_pk: int, *, now: datetime) -> None:
    """The party keeps its places and wishes for no others. Harmless where it wished nothing."""
    lock_party(party_pk)
    SwapWish.objects.filter(booking__party=party_pk).delete()


def exchange_if_wishes_meet(party_pk: int, *, now: datetime) -> bool:
    """Exchange with the party whose wish is the oldest that meets one of this party's own; returns whether it did."""
    try:
        return _exchange_met(party_pk, now=now)
    except BookingError:
        return False  # Plans change under way; the clock looks again.
    except IN_THE_WAY as error:
        if is_worth_another_try(error):
            return False  # Others were in the way every time; the wishes stand, and the clock looks again.
        raise


def exchange_met_wishes(*, now: datetime) -> int:
    """The scan: exchange wishes that met without fitting at first, and those a crash left; forget what is over.

    Returns the number of exchanges.
    """
    SwapWish.objects.exclude(booking__status=BookingStatus.CONFIRMED).delete()
    opposite = _standing(now=now).filter(booking__session=OuterRef("wanted"), wanted=OuterRef("booking__session"))
    meeting = _standing(now=now).filter(Exists(opposite)).order_by("made_at", "pk")
    parties = dict.fromkeys(meeting.values_list("booking__party", flat=True))
    return for_each(parties, lambda party_pk: exchange_if_wishes_meet(party_pk, now=now))


@in_one_transaction
def say_yes_to_swap(party_pk: int, *, wish_pk: int, now: datetime) -> None:
    """Exchange at once with the party that made this wish. Saying yes twice is one yes.

    Raises NothingToSwap, SwapGone, SwapNotPossible or one of its kinds, and what ``check_people`` raises.
    """
    asked = SwapWish.objects.filter(pk=wish_pk)
    pair = [party_pk, *asked.values_list("booking__party", flat=True)]
    locked = lock_parties(pair, sessions=lock_sessions_of(pair))
    wish = asked.select_related("booking").first()
    if wish is None and BookingEvent.objects.filter(booking__party=party_pk, why=_why(wish_pk)).exists():
        return
    _own_booking(locked[party_pk].bookings(), now=now)
    if wish is None:
        raise SwapGone
    _exchange(locked[party_pk], locked[wish.booking.party_id], wish, now=now)


@in_one_transaction
def _exchange_met(party_pk: int, *, now: datetime) -> bool:
    seen = _first_that_meets(party_pk, now=now)
    if seen is None:
        return False
    sessions = lock_sessions_of([party_pk, seen.booking.party_id])
    # Of many that look at once, each finds another wish: nobody who holds these locks can answer this one any more.
    wish = _first_that_meets(party_pk, now=now)
    if wish is None:
        return False
    locked = lock_parties([party_pk, wish.booking.party_id], sessions=sessions)
    _exchange(locked[party_pk], locked[wish.booking.party_id], wish, now=now)
    return True


def _exchange(yes: Locked, wishing: Locked, wish: SwapWish, *, now: datetime) -> None:
    """Each party gets a booking in the other's session, and what it waited for ends."""
    mine, theirs = _own_booking(yes.bookings(), now=now), _confirmed(wishing.bookings())
    if theirs is None or wish.booking_id != theirs.pk or wish.wanted_id != mine.session_id:
        raise SwapGone
    _check_exchange(mine, theirs, now=now)
    _check_no_offer(wishing.bookings(), SwapNotPossible)
    why = _why(wish.pk)
    lines_left = _end_all(yes, now=now, why=why) | _end_all(wishing, now=now, why=why)
    _begin(mine, theirs.session, now=now, why=why)
    _begin(theirs, mine.session, now=now, why=why)
    SwapWish.objects.filter(booking__in=[mine, theirs]).delete()
    smaller, larger = sorted([mine, theirs], key=lambda booking: booking.party.size)
    if smaller.party.size < larger.party.size:
        lines_left.discard(larger.session)
        waitlist.serve(larger.session, now=now, trigger=DecisionTrigger.MOVED)
    waitlist.serve_all(sorted(lines_left, key=lambda session: session.pk), now=now, trigger=DecisionTrigger.LEFT)


def _why(wish_pk: int) -> str:
    """What the histories of both parties say: the wish is gone, its number tells a second press from a first."""
    return f"{SWAPPED}, wish {wish_pk}"


def _own_booking(bookings: Iterable[Booking], *, now: datetime) -> Booking:
    """Of the live bookings of the party that acts."""
    booking = _confirmed(bookings)
    if booking is None:
        raise NothingToSwap
    if not booking.session.serves_its_line(now):
        raise RosterIsFixed
    _check_no_offer(bookings, AnswerFirst)
    return booking


def _confirmed(bookings: Iterable[Booking]) -> Booking | None:
    return next((booking for booking in bookings if booking.status == BookingStatus.CONFIRMED), None)


def _check_no_offer(bookings: Iterable[Booking], refusal: type[SwapNotPossible]) -> None:
    """A party has one offer at most, and a swap would take the place it weighs the offer against."""
    if any(booking.status == BookingStatus.OFFERED for booking in bookings):
        raise refusal


def _check_exchange(mine: Booking, theirs: Booking, *, now: datetime) -> None:
    """Whether the two bookings may change places, by the rules of the season and of both sessions."""
    if mine.session.season_id != theirs.session.season_id:
        raise SwapNotPossible
    if not all(session.serves_its_line(now) for session in (mine.session, theirs.session)):
        raise RosterIsFixed
    check_people(mine.session.season.tour, _people(mine.party))
    if not _may_come(theirs.party):
        raise SwapNotPossible
    if mine.party.size > _most_people(theirs):
        raise NoRoomForYou
    if theirs.party.size > _most_people(mine):
        raise NoRoomForThem


def _most_people(leaving: Booking) -> int:
    return int(_with_most_people().values_list("most_people", flat=True).get(pk=leaving.pk))


def _with_most_people() -> QuerySet[Any]:
    """How large a party may be that comes instead of each: more places only where nobody waits or is called first.

    The number of parties stays as it is.
    """
    free = F("session__sell_limit") - F("session__places_held") - F("session__places_kept")
    more = Case(When(session__parties_waiting=0, then=Greatest(free, 0)), default=0)
    most_people = ExpressionWrapper(F("places") + more, output_field=IntegerField())
    return Booking.objects.annotate(most_people=most_people)


def _end_all(locked: Locked, *, now: datetime, why: str) -> set[TourSession]:
    """End the place and the waiting of a party that goes on elsewhere; returns the sessions whose line it leaves."""
    left = set()
    for booking in locked.bookings():
        if booking.status == BookingStatus.CONFIRMED:
            booking.move_to(BookingStatus.SUPERSEDED, now=now, who="party", why=why, party_goes_on=True)
        elif booking.status == BookingStatus.WAITING:
            elsewhere = waitlist.SAID_YES_ELSEWHERE
            booking.move_to(BookingStatus.SUPERSEDED, now=now, who="party", why=elsewhere, party_goes_on=True)
            left.add(booking.session)
    return left


def _begin(old: Booking, session: TourSession, *, now: datetime, why: str) -> None:
    """The party's booking in the session it swapped into; its calendar entry replaces the one of the old."""
    session.hold(old.party.size)
    booking = waitlist.new_offer(old.party, session, preference=old.preference, ends=session.roster_locks_at, now=now)
    waitlist.write_new([booking], now=now, why=why)
    facts = {"starts_at": old.session.starts_at.isoformat()}
    waitlist.confirm(booking, [], now=now, who="party", tell=NoticeKind.SWAPPED, facts=facts)


def _standing(*, now: datetime) -> QuerySet[SwapWish]:
    """Wishes of parties that could swap now, the oldest first: an offer has to be answered before."""
    offered = Booking.objects.filter(party=OuterRef("booking__party"), status=BookingStatus.OFFERED)
    wishes = SwapWish.objects.filter(
        booking__status=BookingStatus.CONFIRMED,
        booking__session__called_off_at=None,
        booking__session__roster_locks_at__gt=now,
    )
    return wishes.exclude(Exists(offered)).order_by("made_at", "pk")


def _wishes_that_fit(booking: Booking, *, now: datetime) -> QuerySet[SwapWish]:
    """Wishes of others for the session of this booking with which ``_check_exchange`` agrees, but for their ages."""
    if booking.status != BookingStatus.CONFIRMED or not booking.session.serves_its_line(now):
        return SwapWish.objects.none()
    has_room = _with_most_people().filter(pk=OuterRef("booking"), most_people__gte=booking.party.size)
    wishes = _standing(now=now).filter(wanted=booking.session_id, booking__session__season=booking.session.season_id)
    return wishes.filter(Exists(has_room), booking__party__size__lte=_most_people(booking))


def _first_that_meets(party_pk: int, *, now: datetime) -> SwapWish | None:
    """The oldest wish that meets one of the party's own."""
    confirmed = Booking.objects.filter(party=party_pk, status=BookingStatus.CONFIRMED)
    booking = confirmed.select_related("session__season__tour", "session__venue", "party").first()
    if booking is None:
        return None
    own = SwapWish.objects.filter(booking=booking).values("wanted")
    meeting = _wishes_that_fit(booking, now=now).filter(booking__session__in=own)
    return next(_of_people_that_may_come(meeting[:MOST_LOOKED_AT]), None)


def _of_people_that_may_come(wishes: QuerySet[SwapWish]) -> Iterator[SwapWish]:
    """Two queries, however many wishes there are."""
    wishes = wishes.select_related("booking__session__venue", "booking__party__season__tour")
    for wish in wishes.prefetch_related("booking__party__members"):
        if _may_come(wish.booking.party):
            yield wish


def _may_come(party: Party) -> bool:
    try:
        check_people(party.season.tour, _people(party))
    except BookingError:
        return False
    return True


def _people(party: Party) -> list[Person]:
    return [Person(*person) for person in party.people()]
