"""What a party does on its own page, from the proof of its mailbox to giving up its places."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from bookings import outbox
from bookings.domain import waitlist
from bookings.domain.errors import BookingError
from bookings.domain.locks import Locked, in_one_transaction, lock_party, lock_party_of_code
from bookings.domain.people import Person, check_people, write_members
from bookings.models import (
    OF_THE_ADDRESS,
    Booking,
    BookingEvent,
    BookingStatus,
    DecisionTrigger,
    NoticeKind,
    OfferSource,
    Party,
    Tour,
    TourSession,
    person_key,
)

# "Send me my link again" answers for at most this many of a person's parties.
MOST_LINKS = 3

# What the history keeps of a party that changed: these words, or how many come now, and of how many.
NAMES_CHANGED = "names changed"
COMES_AS = "comes as "
_COMES_AS = re.compile(COMES_AS + r"([0-9]+)(?: of ([0-9]+))?")


class NothingConfirmed(BookingError):
    message = _("You hold no places that could be given up.")


class TooLateToCancel(BookingError):
    message = _("The tour has begun. Tell your host at the gate.")


class NamesAreFixed(BookingError):
    message = _("The roster is locked: names stay as they are. You can still come with fewer people or cancel.")


class NotFewer(BookingError):
    message = _("Choose fewer people than you are now.")


class SizeIsFixed(BookingError):
    message = _("Name exactly as many people as your party has places.")


class AddressTaken(BookingError):
    message = _("Another party of this season has this address already.")


class VisitOver(BookingError):
    message = _("There is nothing left to change.")


@in_one_transaction
def prove_mailbox(party_pk: int, *, now: datetime) -> None:
    """The lead pressed the button behind the link: confirm what sign-up offered, or let the party stand in its lines.

    Pressing twice is pressing once. Raises OfferGone if the places were let go meanwhile.
    """
    _prove(lock_party(party_pk, rows_alone=True), now=now)


@in_one_transaction
def prove_mailbox_by_link(code: str, *, link_version: str, now: datetime) -> bool:
    """``prove_mailbox`` for whoever came through a link; False if it is not the party's present one."""
    locked = lock_party_of_code(code)
    if locked is None or str(locked.party.link_version) != link_version:
        return False
    _prove(locked, now=now)
    return True


def _prove(locked: Locked, *, now: datetime) -> None:
    bookings = locked.bookings()
    offered = [b for b in bookings if b.status == BookingStatus.OFFERED and b.offer_source == OfferSource.SIGN_UP]
    if locked.party.ended_at or any(booking.offer_has_run_out(now) for booking in offered):
        raise waitlist.OfferGone
    if locked.party.is_proven:
        return
    waitlist.prove(locked, now=now)
    for booking in offered:
        waitlist.confirm(booking, [other for other in bookings if other is not booking], now=now, who="party")
    standing = [booking.session for booking in bookings if booking.status == BookingStatus.WAITING]
    waitlist.serve_all(standing, now=now, trigger=DecisionTrigger.JOINED)


@in_one_transaction
def cancel_places(party_pk: int, *, now: datetime, who: str = "party", why: str = "") -> None:
    """Give up the confirmed places; they go to the line at once. Possible until the start.

    Raises NothingConfirmed or TooLateToCancel.
    """
    booking, _locked = _confirmed(party_pk)
    if now >= booking.session.starts_at:
        raise TooLateToCancel
    booking.party.raise_calendar_sequence()
    booking.move_to(BookingStatus.CANCELLED, now=now, who=who, why=why)
    outbox.post(NoticeKind.CANCELLED, booking.party, booking=booking, key=str(booking.pk), now=now)
    waitlist.serve(booking.session, now=now, trigger=DecisionTrigger.CANCELLED)


@in_one_transaction
def come_with_fewer(
    party_pk: int, *, lead: Person, companions: Sequence[Person], now: datetime, who: str = "party"
) -> None:
    """The party shrinks to the lead and ``companions``; what it holds too much goes to the line, its numbers stay.

    Possible until the start; once the roster is locked, only by leaving people out and not by naming others. Raises
    NotFewer, VisitOver, TooLateToCancel, NamesAreFixed and what ``check_people`` raises.
    """
    locked = lock_party(party_pk)
    party = locked.party
    size = 1 + len(companions)
    if size >= party.size:
        raise NotFewer
    shrinking = _changeable(locked, now=now)
    check_people(party.season.tour, [lead, *companions])
    if _roster_is_locked(shrinking, now=now) and not _are_of_the_party(party, [lead, *companions]):
        raise NamesAreFixed
    for booking in shrinking:
        # An offer may be of fewer places than the party had people: then it gives up nothing.
        places = min(booking.places, size)
        if booking.holds_places:
            TourSession.objects.filter(pk=booking.session_id).update(
                places_held=F("places_held") - (booking.places - places)
            )
        booking.places, booking.least = places, min(booking.least, places)
        if who == "party":
            booking.still_coming_at = now  # It answers by saying with how many.
        booking.save(update_fields=["places", "least", "still_coming_at"])
    before, party.size = party.size, size
    party.smallest_size = min(party.smallest_size, size)
    party.save(update_fields=["size", "smallest_size"])
    _write_people(party, lead, companions)
    _remember(shrinking, f"{COMES_AS}{size} of {before}", now=now, who=who)
    _tell_changed(party, shrinking, {"size": size}, now=now)
    waitlist.serve_all((booking.session for booking in shrinking), now=now, trigger=DecisionTrigger.FEWER)
    if party.first_call_until:
        waitlist.serve_what_is_kept_after(party.season_id, now=now)


def smaller_sizes(party: Party) -> list[int]:
    """As how many it could come if those that it named last stay at home, the most first."""
    tour, people = party.season.tour, [Person(*person) for person in party.people()]
    return [size for size in range(party.size - 1, 0, -1) if _may_come(tour, people[:size])]


@in_one_transaction
def change_people(
    party_pk: int, *, lead: Person, companions: Sequence[Person], access_needs: str, now: datetime, who: str = "party"
) -> None:
    """Correct names and ages, the size staying as it is. Raises NamesAreFixed once the roster of a held place locked,
    VisitOver, and what ``check_people`` raises."""
    locked = lock_party(party_pk)
    party = locked.party
    bookings = _changeable(locked, now=now)
    if _roster_is_locked(bookings, now=now):
        raise NamesAreFixed
    if 1 + len(companions) != party.size:
        raise SizeIsFixed
    check_people(party.season.tour, [lead, *companions])
    party.access_needs = access_needs
    party.save(update_fields=["access_needs"])
    _write_people(party, lead, companions)
    _remember(bookings, NAMES_CHANGED, now=now, who=who)
    _tell_changed(party, bookings, {"names": True}, now=now)


@in_one_transaction
def change_contact(party_pk: int, *, email: str, phone: str, language: str) -> None:
    """A host corrects how the lead is reached. A new address ends all links that the old one was sent.

    Raises AddressTaken if another live party of the season has it.
    """
    party = Party.objects.lock(party_pk)
    if email != party.email:
        key = person_key(email)
        others = Party.objects.live().filter(season=party.season_id, person_key=key).exclude(pk=party_pk)
        if not party.ended_at and others.exists():
            raise AddressTaken
        party.know_nothing_of_the_address(is_same_person=key == party.person_key)
        party.email, party.person_key = email, key
        party.link_version += 1
    party.phone, party.language = phone, language
    party.save(update_fields=["email", "person_key", "link_version", "phone", "language", *OF_THE_ADDRESS])


def revoke_links(party_pk: int) -> None:
    """All links sent so far stop working; the next mail carries a new one."""
    Party.objects.filter(pk=party_pk).update(link_version=F("link_version") + 1)


def send_link_again(email: str, *, now: datetime) -> None:
    """Owe the links of this person's parties to the address that is in the rows, at most one mail a party and hour.

    Says nothing about whether there are any.
    """
    parties = Party.objects.filter(person_key=person_key(email), erased_at=None).exclude(email="")
    for party in parties.order_by("-asked_at")[:MOST_LINKS]:
        outbox.post_at_most_hourly(NoticeKind.LINK, party, now=now)


def comes_as(event: BookingEvent) -> int | None:
    """How many people come since this event, if it is one of a party that got smaller."""
    told = _COMES_AS.fullmatch(event.why) if event.from_status == event.to_status else None
    return int(told[1]) if told else None


def left_out(event: BookingEvent) -> int:
    """How many people of the party no longer come since this event."""
    told = _COMES_AS.fullmatch(event.why) if event.from_status == event.to_status else None
    return int(told[2]) - int(told[1]) if told and told[2] else 0


def _may_come(tour: Tour, people: Sequence[Person]) -> bool:
    try:
        check_people(tour, people)
    except BookingError:
        return False
    return True


def _confirmed(party_pk: int) -> tuple[Booking, Locked]:
    locked = lock_party(party_pk)
    for booking in locked.bookings():
        if booking.status == BookingStatus.CONFIRMED:
            return booking, locked
    raise NothingConfirmed


def _changeable(locked: Locked, *, now: datetime) -> list[Booking]:
    bookings = [
        booking
        for booking in locked.bookings()
        if booking.status in {BookingStatus.WAITING, BookingStatus.OFFERED, BookingStatus.CONFIRMED}
    ]
    if not bookings:
        raise VisitOver
    if any(booking.holds_places and now >= booking.session.starts_at for booking in bookings):
        raise TooLateToCancel
    return bookings


def _roster_is_locked(bookings: Sequence[Booking], *, now: datetime) -> bool:
    return any(booking.holds_places and now >= booking.session.roster_locks_at for booking in bookings)


def _are_of_the_party(party: Party, people: Sequence[Person]) -> bool:
    known = Counter(party.people())
    return not Counter((person.name, person.age_from, person.age_to) for person in people) - known


def _write_people(party: Party, lead: Person, companions: Sequence[Person]) -> None:
    party.lead_name, party.lead_age_from, party.lead_age_to = lead.name, lead.age_from, lead.age_to
    party.save(update_fields=["lead_name", "lead_age_from", "lead_age_to"])
    write_members(party, companions)


def _remember(bookings: Sequence[Booking], what: str, *, now: datetime, who: str) -> None:
    """The history keeps that something changed; what it was before is personal and is not kept."""
    BookingEvent.objects.bulk_create(
        BookingEvent(
            booking=booking, from_status=booking.status, to_status=booking.status, happened_at=now, who=who, why=what
        )
        for booking in bookings
    )


def _tell_changed(party: Party, bookings: Sequence[Booking], facts: dict[str, object], *, now: datetime) -> None:
    held = next((booking for booking in bookings if booking.status == BookingStatus.CONFIRMED), None)
    if held:
        party.raise_calendar_sequence()
        outbox.post(
            NoticeKind.CHANGED, party, booking=held, key=f"{held.pk}:{party.calendar_sequence}", now=now, facts=facts
        )
