"""A party asks for places. Source of the rules: DESIGN part 4, "Sign-up in a first-come season"."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _

from bookings import outbox
from bookings.domain import holds, waitlist
from bookings.domain.errors import BookingError
from bookings.domain.locks import MOST_TRIES, in_one_transaction
from bookings.domain.opening import SessionUnknown, TooLargeForSession, check_open
from bookings.domain.people import Person, add_members, check_people
from bookings.models import (
    SIGN_UP_OFFER_AT_MOST,
    DecisionTrigger,
    NoticeKind,
    Party,
    TourSession,
    person_key,
)
from bookings.models.compiled import Given, compiled, given_each
from bookings.models.listed import Listed

# A waiting party proves its mailbox within this time from the hand-over of the mail that asks for it.
PROVE_WITHIN = timedelta(hours=24)


class TooManyChoices(BookingError):
    message = _("You have named more sessions than this season allows.")


@dataclass(frozen=True)
class Lead:
    """Who asks for the party and is reached by email in ``language``."""

    person: Person
    email: str
    language: str
    phone: str = ""


@dataclass(frozen=True)
class Wishes:
    """What else a party says of itself. ``smallest_size`` in people; ``consents`` are ids of the tour's sentences."""

    smallest_size: int
    short_notice: bool = False
    access_needs: str = ""
    consents: Sequence[int] = ()


def request_places(
    choices: Sequence[int],
    *,
    lead: Lead,
    companions: Sequence[Person],
    wishes: Wishes,
    submission_key: UUID,
    network: str = "",
    proves_first: bool = False,
    now: datetime,
) -> bool:
    """Offer the party places in its first choice with room; if none has room, put it in line for all of them.

    ``choices`` are session ids, the dearest first. The claim is one conditional UPDATE on the session's ledger; only
    when somebody waits is the line served first and the session locked. Somebody who is already in changes nothing
    and is told by mail; the same ``submission_key`` again changes nothing at all. Raises a BookingError of this
    module, of ``opening`` or of ``people``.

    Before its mailbox is proven, a party holds no places if it ``proves_first``, or if others of its ``network`` hold
    as many as one network may: then it stands in line although there is room, and is offered it once it has proven its
    mailbox. Returns whether that is so, which says nothing of the address. An empty ``network`` is not counted.
    """
    key = person_key(lead.email)
    asked = Party.objects.filter(submission_key=submission_key)
    found = _read(choices, submission_key=submission_key, key=key, network=network)
    if any(each.was_asked for each in found.values()) or (not found and asked.exists()):
        known = [each.session for each in found.values()]
        return _told_again(asked.first(), known, network=network, proves_first=proves_first)
    sessions = _chosen(choices, found, now=now)
    season = sessions[0].season
    check_people(season.tour, [lead.person, *companions])
    smallest = min(wishes.smallest_size, 1 + len(companions))
    if any(smallest > session.capacity for session in sessions):
        raise TooLargeForSession  # At the head of that line it would keep the places from everybody.
    taken = found[sessions[0].pk].taken_holds
    free = _free_holds(sessions, network=network, proves_first=proves_first, taken=taken)
    must_prove = _must_prove(free, sessions, size=1 + len(companions))
    if found[sessions[0].pk].is_in and _tell_already_in(season.pk, key, now=now):
        return must_prove
    party = Party(
        season=season,
        submission_key=submission_key,
        person_key=key,
        lead_name=lead.person.name,
        lead_age_from=lead.person.age_from,
        lead_age_to=lead.person.age_to,
        email=lead.email,
        phone=lead.phone,
        language=lead.language,
        size=1 + len(companions),
        smallest_size=smallest,
        short_notice=wishes.short_notice,
        access_needs=wishes.access_needs,
        consents=list(wishes.consents),
        asked_at=now,
        mailbox_proven_at=None if season.proves_mailbox else now,
    )
    for tries_left in reversed(range(MOST_TRIES)):
        try:
            _place(party, companions, sessions, free=free, now=now)
            break
        except IntegrityError:
            # The same person or the same submit was faster on another connection: it counts, this one does not.
            if asked.exists() or _tell_already_in(season.pk, key, now=now):
                break
            # Or another party of its network got the same hold: this one tries for another.
            if not party.network_hold:
                raise
            free = _free_holds(sessions, network=network, proves_first=tries_left == 1)
            must_prove = _must_prove(free, sessions, size=party.size)
    return must_prove


def _told_again(party: Party | None, sessions: Sequence[TourSession], *, network: str, proves_first: bool) -> bool:
    """What a submit that counted already is told: whoever presses twice reads the second answer only."""
    if party is None or party.is_proven or party.network_hold or not sessions:
        return False
    free = _free_holds(sessions, network=network, proves_first=proves_first)
    return _must_prove(free, sessions, size=party.size)


def _must_prove(free: holds.Free, sessions: Sequence[TourSession], *, size: int) -> bool:
    """Whether the party stands in line although there is room."""
    return any(not _may_hold(free, session) and session.room_for(size) for session in sessions)


def _free_holds(
    sessions: Sequence[TourSession], *, network: str, proves_first: bool, taken: Collection[str] | None = None
) -> holds.Free:
    """What the party may hold places with before its mailbox is proven; None where nobody counts. ``taken`` where it
    was read just now."""
    if not sessions[0].season.proves_mailbox:
        return None
    if proves_first:
        return {}
    return holds.free_holds(sessions, network=network, taken=taken) if network else None


def _may_hold(free: holds.Free, session: TourSession) -> bool:
    return free is None or session.pk in free


def _place(
    party: Party, companions: Sequence[Person], sessions: Sequence[TourSession], *, free: holds.Free, now: datetime
) -> None:
    is_worth_a_try = any(session.may_be_claimed(party.size) for session in sessions)
    if is_worth_a_try and _offer_at_once(party, companions, sessions, free=free, now=now):
        return
    for session in sessions:
        if session.parties_waiting and (session.places_free or session.places_kept):
            waitlist.offer_free_places(session.pk, now=now, trigger=DecisionTrigger.SIGN_UP)
    _offer_or_wait(party, companions, [session.pk for session in sessions], free=free, now=now)


class Found(NamedTuple):
    """A session that was chosen, whether this very submit is known, and whether the person is in its season."""

    session: TourSession
    was_asked: bool
    is_in: bool
    taken_holds: Collection[str]


def _read(choices: Sequence[int], *, submission_key: UUID, key: str, network: str) -> dict[int, Found]:
    """All that is asked before places are claimed, in one statement, and the same one for whoever is in already."""
    wanted = holds.first_holds(choices, network=network)
    given = {"choices": choices, "submission_key": submission_key, "key": key, "holds": wanted}
    found = {}
    for session in _chosen_and_known(len(choices), len(wanted), **given):
        told = vars(session)
        taken = {party["network_hold"] for party in told["taken"] or []}
        found[session.pk] = Found(session, told["was_asked"], told["is_in"], taken)
    return found


@compiled
def _chosen_and_known(choices: int, wanted: int) -> QuerySet[TourSession]:
    asked = Party.objects.filter(submission_key=Given("submission_key"))
    same_person = Party.objects.live().filter(season=OuterRef("season"), person_key=Given("key"))
    sessions = TourSession.objects.public().filter(pk__in=given_each("choices", choices)).order_by()
    return sessions.select_related("season__tour").annotate(
        was_asked=Exists(asked),
        is_in=Exists(same_person),
        taken=Listed(holds.taken_holds(wanted).values("network_hold")),
    )


def _chosen(choices: Sequence[int], found: Mapping[int, Found], *, now: datetime) -> list[TourSession]:
    sessions = [found[pk].session for pk in dict.fromkeys(choices) if pk in found]
    if not sessions or len(sessions) != len(choices) or len({session.season_id for session in sessions}) != 1:
        raise SessionUnknown
    season = sessions[0].season
    if len(sessions) > season.choices_allowed:
        raise TooManyChoices
    for session in sessions:
        check_open(session, now=now)
    return sessions


def _tell_already_in(season_pk: int, key: str, *, now: datetime) -> bool:
    """If the person is in this season, owe it a mail that says so, at most one an hour."""
    party = Party.objects.live().filter(season=season_pk, person_key=key).first()
    if party:
        outbox.post_at_most_hourly(NoticeKind.ALREADY_IN, party, now=now)
    return party is not None


@in_one_transaction
def _offer_at_once(
    party: Party, companions: Sequence[Person], sessions: Sequence[TourSession], *, free: holds.Free, now: datetime
) -> bool:
    """The fast path: nobody waits and there is room. No lock but the row that the claim itself writes.

    A dearer choice with room and a line is not skipped: its line may want nothing of what is free. Nor is one with room
    that the party has once its mailbox is proven.
    """
    for preference, session in enumerate(sessions, start=1):
        is_dearer = preference < len(sessions)
        if is_dearer and session.parties_waiting and session.room_for(party.size):
            return False
        if not _may_hold(free, session):
            if session.room_for(party.size):
                return False
            continue
        if session.may_be_claimed(party.size) and TourSession.objects.claim(session.pk, places=party.size):
            _write_party(party, companions, hold=free[session.pk] if free else None)
            _write_offer(party, session, preference, now=now)
            return True
    return False


@in_one_transaction
def _offer_or_wait(
    party: Party, companions: Sequence[Person], choices: Sequence[int], *, free: holds.Free, now: datetime
) -> None:
    """The lines were served: take what is left over, or stand in line for every choice."""
    locked = TourSession.objects.lock(choices)
    for session in locked.values():
        check_open(session, now=now)  # A host may have called it off since it was chosen.
    for preference, pk in enumerate(choices, start=1):
        waitlist.keep_places_before_others_ask(locked[pk], now=now)
        if waitlist.is_free_for_newcomers(locked[pk], size=party.size, now=now):
            if not _may_hold(free, locked[pk]):
                break
            locked[pk].hold(party.size)
            party.prove_by = None
            _write_party(party, companions, hold=free[pk] if free else None)
            _write_offer(party, locked[pk], preference, now=now)
            return
    party.prove_by = None if party.is_proven else now + waitlist.PROVE_WITHIN_AT_MOST
    _write_party(party, companions)
    waiting = [
        waitlist.new_in_line(party, locked[pk], preference=preference, now=now)
        for preference, pk in enumerate(choices, start=1)
    ]
    waitlist.write_new(waiting, now=now)
    outbox.post(NoticeKind.IN_LINE, party, key=str(party.pk), now=now, expires_at=party.prove_by)
    if party.is_proven:
        waitlist.serve_all((locked[pk] for pk in choices), now=now, trigger=DecisionTrigger.JOINED)


def _write_party(party: Party, companions: Sequence[Person], *, hold: str | None = None) -> None:
    party.pk = None  # A transaction that is started over writes it anew.
    party.network_hold = hold
    party.save(force_insert=True)
    add_members(party, companions)


def _write_offer(party: Party, session: TourSession, preference: int, *, now: datetime) -> None:
    """The places are kept in the ledger already. Without a mailbox to prove, asking is confirming."""
    ends = min(now + SIGN_UP_OFFER_AT_MOST, session.roster_locks_at)
    booking = waitlist.new_offer(party, session, preference=preference, ends=ends, now=now)
    waitlist.write_new([booking], now=now)
    if party.is_proven:
        waitlist.confirm(booking, [], now=now, who="party")
    else:
        outbox.post(
            NoticeKind.PROVE,
            party,
            booking=booking,
            key=str(booking.pk),
            now=now,
            expires_at=booking.offer_expires_at,
        )
