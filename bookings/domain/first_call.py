"""Parties whose session was called off choose another one before the public does.

As long as their time runs, what is free in the season's other sessions, and wanted by no line that stood before, is
kept for them, up to as many places and parties as they are. In the last call of a session nothing is kept in it.
Source of the rules: docs/decisions/0014-places-kept-for-first-call.md.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest

from bookings.domain.offers import LAST_CALL
from bookings.models import Party, Season, SeasonMode, TourSession

# Parties that were confirmed in a session called off choose another one for this long before the public.
FIRST_CALL = timedelta(hours=72)


class Kept(NamedTuple):
    """What a session keeps for first call."""

    places: int
    parties: int


NOTHING = Kept(0, 0)


def has_first_call(party: Party, *, now: datetime) -> bool:
    """Whether its session was called off and it may still choose another before everybody else."""
    return party.first_call_until is not None and now < party.first_call_until


def first_call_ends(session: TourSession, *, besides: Collection[int] = (), now: datetime) -> datetime | None:
    """Until when a party that was confirmed here may choose another session of the season before the public.

    Never beyond the lock of the last roster that is still open: None if no other session takes a party of the season.
    """
    if not _can_be_chosen_in(session.season):
        return None
    others = session.season.sessions.exclude(pk__in={session.pk, *besides}).select_related("season__tour")
    locks = (other.roster_locks_at for other in others if other.takes_sign_ups(now, is_in=True))
    last_lock = max(locks, default=None)
    return min(now + FIRST_CALL, last_lock) if last_lock else None


def _can_be_chosen_in(season: Season) -> bool:
    return season.published and season.mode == SeasonMode.FIRST_COME


def give(parties: QuerySet[Party], season: Season, *, until: datetime | None) -> None:
    """Give these parties, whose rows the caller holds, first call in their season; ``None`` is none.

    What the season says is compared where it is written: the clock may note the last at this moment.
    """
    parties.update(first_call_until=until)
    if until:
        latest = Greatest(Coalesce("first_call_until", until), until)
        Season.objects.filter(pk=season.pk).update(first_call_until=latest)


def end_for(party: Party, *, now: datetime) -> None:
    """The party, whose row the caller holds, has first call no longer; without a booking it has ended."""
    party.first_call_until = None
    if not party.bookings.live().exists():
        party.ended_at = party.ended_at or now
    party.save(update_fields=["first_call_until", "ended_at"])


def kept_until(session: TourSession) -> datetime | None:
    """Until when the session keeps what it keeps."""
    ends = session.season.first_call_until
    return min(ends, session.roster_locks_at - LAST_CALL) if ends else None


class Called(NamedTuple):
    """How many parties of a kind have first call."""

    size: int
    smallest_size: int
    parties: int


def keep_places(session: TourSession, *, now: datetime) -> bool:
    """Bring what the session keeps up to date; returns whether it keeps less, which its line is to be asked for.

    The caller holds its lock and has read its ledger. A session begins to keep when nobody waits in it. Whoever joins
    its line from then on is the public as well.
    """
    before = Kept(session.places_kept, session.parties_kept)
    called = _called(session.season_id, now=now) if _may_keep(session, now=now) else []
    keeps, kept = _kept(session, called, now=now)
    if (keeps, *kept) != (session.keeps_for_first_call, session.places_kept, session.parties_kept):
        session.keeps_for_first_call = keeps
        session.places_kept, session.parties_kept = kept
        session.save(update_fields=["keeps_for_first_call", "places_kept", "parties_kept"])
    return kept.places < before.places or kept.parties < before.parties


def sessions_to_keep_anew(season_pk: int, *, now: datetime) -> list[int]:
    """The season's sessions in which ``keep_places`` would change something. Two questions, however many there are."""
    concerned = Q(called_off_at=None, roster_locks_at__gt=now) | Q(keeps_for_first_call=True)
    asked = TourSession.objects.filter(concerned, season=season_pk).select_related("season__tour").order_by("pk")
    called = _called(season_pk, now=now)
    return [
        session.pk
        for session in asked
        if _kept(session, called, now=now)
        != (session.keeps_for_first_call, Kept(session.places_kept, session.parties_kept))
    ]


def sessions_that_keep_too_much(*, now: datetime) -> Iterator[tuple[TourSession, Kept]]:
    """The sessions that keep more than first call could take there, each with what it could."""
    keep = TourSession.objects.filter(Q(places_kept__gt=0) | Q(parties_kept__gt=0)).select_related("season")
    called: dict[int, list[Called]] = {}
    for session in keep.order_by("pk"):
        if session.season_id not in called:
            called[session.season_id] = _called(session.season_id, now=now)
        ends = kept_until(session)
        wanted = _wanted(session, called[session.season_id]) if ends and now < ends else NOTHING
        if session.places_kept > wanted.places or session.parties_kept > wanted.parties:
            yield session, wanted


def _kept(session: TourSession, called: Collection[Called], *, now: datetime) -> tuple[bool, Kept]:
    """Whether the session keeps, and what: as much as all could take that have first call, if it is free."""
    if not _may_keep(session, now=now) or (session.parties_waiting and not session.keeps_for_first_call):
        return False, NOTHING
    free, wanted = session.free(first_call=True), _wanted(session, called)
    if not wanted.parties:
        return False, NOTHING
    return True, Kept(*map(min, wanted, free)) if all(free) else NOTHING


def _wanted(session: TourSession, called: Collection[Called]) -> Kept:
    """What all could take that have first call, but for those that would come only with more than is given out here."""
    fitting = [kind for kind in called if kind.smallest_size <= session.sell_limit]
    return Kept(sum(kind.size * kind.parties for kind in fitting), sum(kind.parties for kind in fitting))


def _may_keep(session: TourSession, *, now: datetime) -> bool:
    """Nothing is kept where nobody could choose it."""
    ends, is_open = kept_until(session), session.takes_sign_ups(now, is_in=True)
    return ends is not None and now < ends and is_open and _can_be_chosen_in(session.season)


def _called(season_pk: int, *, now: datetime) -> list[Called]:
    """Who has first call in the season: its parties that did not choose yet."""
    called = Party.objects.filter(season=season_pk, first_call_until__gt=now).values_list("size", "smallest_size")
    return [Called(*kind) for kind in called.annotate(parties=Count("pk")).order_by("size", "smallest_size")]


def may_have_what_is_kept(session: TourSession, *, size: int) -> bool:
    """Whether a party of this size with first call can have places at once that others cannot."""
    if session.places_kept >= size and session.parties_kept:
        return True
    return session.parties_waiting == 0 and session.room_for(size, first_call=True) > 0


def seasons_that_keep() -> QuerySet[Season]:
    """Those that say so, and those of which a party or a session does: the clock may have been stopped between."""
    called = Party.objects.filter(season=OuterRef("pk"), first_call_until__isnull=False)
    keeping = TourSession.objects.filter(season=OuterRef("pk"), keeps_for_first_call=True)
    keep = Season.objects.filter(Q(first_call_until__isnull=False) | Exists(called) | Exists(keeping))
    return keep.select_related("tour").order_by("pk")


def seasons_that_forgot(*, now: datetime) -> QuerySet[Season]:
    """Those that end what they keep before the last of their parties' first calls does, which is ``called_until``."""
    called = Season.objects.filter(parties__first_call_until__gt=now)
    seasons = called.annotate(called_until=Max("parties__first_call_until")).order_by("pk")
    return seasons.filter(Q(first_call_until=None) | Q(first_call_until__lt=F("called_until")))


def note_the_last(season_pk: int, *, now: datetime) -> None:
    """Let the season know when the last of its first calls ends. To be run in a transaction."""
    Season.objects.select_for_update(no_key=True).get(pk=season_pk)
    called = Party.objects.filter(season=season_pk, first_call_until__gt=now)
    last = called.aggregate(last=Max("first_call_until"))["last"]
    Season.objects.filter(pk=season_pk).update(first_call_until=last)
