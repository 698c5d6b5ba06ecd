"""A party's choices within its season: the lines it stands in, their order, and the move to a session with room.

Source of the rules: DESIGN part 4, "One row from the first ask to the day itself".
"""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from bookings.domain import waitlist
from bookings.domain.errors import BookingError
from bookings.domain.first_call import end_for, has_first_call
from bookings.domain.locks import Locked, in_one_transaction, lock_party
from bookings.domain.opening import SessionUnknown, TooLargeForSession, check_open
from bookings.domain.people import PartyTooLarge, PartyTooSmall
from bookings.domain.waitlist import NextInLine, TooLateToMove
from bookings.models import Booking, BookingStatus, DecisionTrigger, OfferSource, Party, TourSession

# What a party may have and still choose; whoever came, or was missed, has had its visit.
CHOOSES = frozenset({BookingStatus.WAITING, BookingStatus.OFFERED, BookingStatus.CONFIRMED})


class MailboxNotProven(BookingError):
    message = _("First show us that your mailbox is yours. Your page has the button for it.")


class NothingToChoose(BookingError):
    message = _("There is nothing left to change.")


class AlreadyThere(BookingError):
    message = _("Your party has asked for this session already.")


class TooManyLines(BookingError):
    message = _("You wait for as many sessions as this season allows. Leave one of these lines first.")


class NoRoomNow(BookingError):
    message = _("All places of this session are taken. You can stand in its line.")


class NotInThisLine(BookingError):
    message = _("You no longer wait for this session.")


class ChoicesChanged(BookingError):
    message = _("Your choices have changed meanwhile. Look at them again.")


class SmallestSizeOutside(BookingError):
    message = _("Choose at most as many people as you are, and no fewer than this tour takes.")


def lines_taken(bookings: Sequence[Booking]) -> int:
    """Of its live bookings, how many count against what the season allows; an offer may become a number again."""
    return sum(
        booking.status == BookingStatus.WAITING
        or (booking.status == BookingStatus.OFFERED and booking.offer_source != OfferSource.SIGN_UP)
        for booking in bookings
    )


@in_one_transaction
def join_line(party_pk: int, session_pk: int, *, now: datetime, who: str = "party") -> None:
    """Stand in one more line of the season, behind; what the party has stays as it is.

    With first call it stands before those without, in this line and in no other; that may be one it waits in already.
    Raises TooManyLines, AlreadyThere, and what `_may_choose` and `_chosen` raise.
    """
    locked = lock_party(party_pk, also=[session_pk])
    party, bookings = locked.party, _may_choose(locked, now=now)
    session = _chosen(locked, session_pk, now=now)
    own = _of_session(bookings, session)
    is_called = has_first_call(party, now=now)
    if own and not (is_called and own.status == BookingStatus.WAITING and not own.first_call):
        raise AlreadyThere
    if not own and lines_taken(bookings) >= party.season.choices_allowed:
        raise TooManyLines
    if is_called:
        _take_back_first_call(bookings)
    if own:
        own.first_call = True
        own.save(update_fields=["first_call"])
    else:
        booking = waitlist.new_in_line(party, session, preference=_behind(bookings), now=now, first_call=is_called)
        booking.in_line = not any(other.status == BookingStatus.OFFERED for other in bookings)
        waitlist.write_new([booking], now=now, who=who)
    lines = [other.session for other in bookings if is_called and other.session_id != session_pk]
    waitlist.serve_all([session, *lines], now=now, trigger=DecisionTrigger.JOINED)


def take_places(party_pk: int, session_pk: int, *, now: datetime, who: str = "party") -> None:
    """Have the free places of another session now, in place of everything the party has. Twice is once.

    The line comes first: what it wants is not free. Raises NoRoomNow, AlreadyThere, and what `_may_choose` and
    `_chosen` raise.
    """
    if TourSession.objects.with_idle_places(now).filter(pk=session_pk).exists():
        # In transactions of their own, so that these offers stand whatever becomes of this party's wish.
        waitlist.offer_free_places(session_pk, now=now, trigger=DecisionTrigger.SCAN)
    _take_places(party_pk, session_pk, now=now, who=who)


@in_one_transaction
def _take_places(party_pk: int, session_pk: int, *, now: datetime, who: str) -> None:
    locked = lock_party(party_pk, also=[session_pk])
    party = locked.party
    held = Booking.objects.filter(party=party, session=session_pk, status=BookingStatus.CONFIRMED)
    if held.exists():
        return
    bookings = _may_choose(locked, now=now)
    session = _chosen(locked, session_pk, now=now)
    own = _of_session(bookings, session)
    is_offered = own is not None and own.status == BookingStatus.OFFERED
    if own and is_offered and (own.places < party.size or own.offer_has_run_out(now)):
        raise AlreadyThere  # Another question was asked, and waits for its answer.
    others = [booking for booking in bookings if booking is not own]
    freed = [booking.session for booking in others if booking.holds_places]
    left = [booking.session for booking in others if not booking.holds_places]
    for other in others:
        if other.status == BookingStatus.OFFERED:
            other.move_to(
                BookingStatus.WITHDRAWN, now=now, who=who, why=waitlist.SAID_YES_ELSEWHERE, party_goes_on=True
            )
    waitlist.keep_places_before_others_ask(session, now=now)
    if not is_offered and not _is_free_for(party, session, own, now=now):
        raise NoRoomNow
    was_called = party.first_call_until is not None
    booking = _hold(party, session, own, others, now=now, who=who)
    waitlist.confirm(booking, others, now=now, who=who)
    waitlist.serve_all(freed, now=now, trigger=DecisionTrigger.MOVED)
    waitlist.serve_all(left, now=now, trigger=DecisionTrigger.LEFT)
    if was_called:
        waitlist.serve_what_is_kept_after(party.season_id, now=now)


def _is_free_for(party: Party, session: TourSession, own: Booking | None, *, now: datetime) -> bool:
    """Whether the whole party fits in what nobody else in line wants; it may be the next in line itself."""
    is_called = has_first_call(party, now=now)
    if waitlist.is_free_for_newcomers(session, size=party.size, now=now, first_call=is_called, own=own):
        return True
    return bool(
        own and session.room_for(party.size) and waitlist.next_in_line(session, now=now) == NextInLine(own, None)
    )


def _hold(
    party: Party, session: TourSession, own: Booking | None, others: Sequence[Booking], *, now: datetime, who: str
) -> Booking:
    """An offer to be confirmed in the same transaction; out of its line, if the party stands in that."""
    if own and own.status == BookingStatus.OFFERED:
        return own
    if own:
        own.move_to(
            BookingStatus.OFFERED,
            now=now,
            who=who,
            offer_expires_at=session.roster_locks_at,
            offer_source=OfferSource.SIGN_UP,
            places=party.size,
        )
        return own
    session.hold(party.size)
    booking = waitlist.new_offer(party, session, preference=_behind(others), ends=session.roster_locks_at, now=now)
    waitlist.write_new([booking], now=now, who=who)
    return booking


@in_one_transaction
def drop_choice(booking_pk: int, *, now: datetime, who: str = "party") -> None:
    """Leave one line and stay in the others; with the last of all it has, the party has left. Twice is once.

    Raises NotInThisLine.
    """
    party_pk, session_pk = Booking.objects.values_list("party", "session").get(pk=booking_pk)
    locked = lock_party(party_pk, also=[session_pk])
    booking = Booking.objects.get(pk=booking_pk)
    if booking.status == BookingStatus.WITHDRAWN:
        return
    if booking.status != BookingStatus.WAITING:
        raise NotInThisLine
    booking.party, booking.session = locked.party, locked.sessions[session_pk]
    booking.move_to(BookingStatus.WITHDRAWN, now=now, who=who)
    waitlist.serve(booking.session, now=now, trigger=DecisionTrigger.LEFT)


@in_one_transaction
def give_up_first_call(party_pk: int, *, now: datetime) -> None:
    """Want no other date: what was kept for the party is for others from now on. Twice is once."""
    party = Party.objects.lock(party_pk)
    if has_first_call(party, now=now):
        end_for(party, now=now)
        waitlist.serve_what_is_kept_after(party.season_id, now=now)


@in_one_transaction
def order_choices(party_pk: int, booking_pks: Sequence[int]) -> None:
    """Its waiting bookings by its wishes, the dearest first. Raises ChoicesChanged unless these are all of them."""
    party = Party.objects.lock(party_pk)
    waiting = {booking.pk: booking for booking in party.bookings.filter(status=BookingStatus.WAITING)}
    if sorted(booking_pks) != sorted(waiting):
        raise ChoicesChanged
    for preference, pk in enumerate(booking_pks, start=1):
        waiting[pk].preference = preference
    Booking.objects.bulk_update(waiting.values(), ["preference"])


@in_one_transaction
def change_wishes(party_pk: int, *, smallest_size: int, short_notice: bool, now: datetime) -> None:
    """With how few the party would come, and whether at short notice; its numbers stay.

    What it learned by refusing fewer places stays too, unless it names another size. Raises SmallestSizeOutside, or
    NothingToChoose.
    """
    locked = lock_party(party_pk)
    party, bookings = locked.party, locked.bookings()
    if party.ended_at:
        raise NothingToChoose
    if not party.season.tour.smallest_party <= smallest_size <= party.size:
        raise SmallestSizeOutside
    asking = [b for b in bookings if b.status in {BookingStatus.WAITING, BookingStatus.OFFERED}]
    for booking in asking:
        booking.short_notice = short_notice
        if smallest_size != party.smallest_size:
            booking.least = min(smallest_size, booking.places)
        booking.save(update_fields=["short_notice", "least"])
    party.smallest_size, party.short_notice = smallest_size, short_notice
    party.save(update_fields=["smallest_size", "short_notice"])
    waitlist.serve_all((booking.session for booking in asking), now=now, trigger=DecisionTrigger.FEWER)
    if party.first_call_until:
        waitlist.serve_what_is_kept_after(party.season_id, now=now)  # With how few it would come counts there.


def _may_choose(locked: Locked, *, now: datetime) -> list[Booking]:
    """The party's live bookings, if it may ask for another session.

    Raises MailboxNotProven, NothingToChoose or TooLateToMove.
    """
    party, bookings = locked.party, locked.bookings()
    if not party.is_proven:
        raise MailboxNotProven
    if party.ended_at or not (bookings or has_first_call(party, now=now)):
        raise NothingToChoose
    if any(booking.status not in CHOOSES for booking in bookings):
        raise NothingToChoose
    if any(booking.status == BookingStatus.CONFIRMED and now >= booking.session.starts_at for booking in bookings):
        raise TooLateToMove
    return bookings


def _chosen(locked: Locked, session_pk: int, *, now: datetime) -> TourSession:
    """The session, if the party may ask for it.

    Raises SessionUnknown, PartyTooSmall, PartyTooLarge, TooLargeForSession and what ``check_open`` raises.
    """
    party, session = locked.party, locked.sessions.get(session_pk)
    if session is None or session.season_id != party.season_id or not session.season.published:
        raise SessionUnknown
    check_open(session, now=now, is_in=True)
    if party.size < session.season.tour.smallest_party:
        raise PartyTooSmall
    if party.size > session.season.tour.largest_party:
        raise PartyTooLarge
    if party.smallest_size > session.capacity:
        raise TooLargeForSession
    return session


def _of_session(bookings: Sequence[Booking], session: TourSession) -> Booking | None:
    return next((booking for booking in bookings if booking.session_id == session.pk), None)


def _behind(bookings: Sequence[Booking]) -> int:
    """The preference after all others."""
    return 1 + max((booking.preference for booking in bookings), default=0)


def _take_back_first_call(bookings: Sequence[Booking]) -> None:
    Booking.objects.filter(pk__in=[booking.pk for booking in bookings]).update(first_call=False)
    for booking in bookings:
        booking.first_call = False
