"""How many places one network may hold in a session before its parties have proven their mailboxes.

Sign-up keeps places for half an hour for anybody who types an address. Of one network only a few parties may hold
some at a time; more are not refused: they prove their mailbox first, and then have what is still free.

Each hold has a name of its own, made of the session, the network and a number, and the database lets one unproven
party have it: so the number holds however many ask at the same moment, and nobody waits for a lock to count.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from random import SystemRandom

from django.conf import settings
from django.db.models import QuerySet

from bookings.models import Party, TourSession
from bookings.models.compiled import compiled, given_each

# A network with very many holds has a free one among so few, unless nearly all are taken.
LOOKED_AT_FIRST = 8

# By session the hold that a party would have; in one that is missing, it may hold nothing. None: nobody counts.
Free = Mapping[int, str] | None


def most_of(session: TourSession) -> int:
    """Unproven parties of one network that may hold places in the session at a time."""
    share = session.max_parties * settings.UNPROVEN_SHARE_A_NETWORK // 100
    return max(settings.UNPROVEN_PARTIES_A_NETWORK, share)


def free_holds(
    sessions: Sequence[TourSession], *, network: str, taken: Collection[str] | None = None
) -> dict[int, str]:
    """For every session in which the network may hold more, by its primary key, one of the holds that are free.

    Any of them: those who ask at the same moment should not all want the same. ``taken`` are those of ``first_holds``
    that ``taken_holds`` has told just now; else all are looked at: whoever lost one to another wants none of few.
    """
    if taken is None:
        return _free_of({each.pk: _names(each.pk, network, most_of(each)) for each in sessions}, None)
    firsts = {each.pk: _names(each.pk, network, min(most_of(each), LOOKED_AT_FIRST)) for each in sessions}
    free = _free_of(firsts, taken)
    crowded = [each for each in sessions if each.pk not in free and most_of(each) > LOOKED_AT_FIRST]
    return free | (free_holds(crowded, network=network) if crowded else {})


def first_holds(session_pks: Sequence[int], *, network: str) -> list[str]:
    """Those that are looked at first, of sessions of which nothing else is known yet."""
    return [name for pk in session_pks for name in _names(pk, network, LOOKED_AT_FIRST)] if network else []


def taken_holds(number: int) -> QuerySet[Party]:
    """Parties that have one of so many. Given: ``holds``."""
    unproven = Party.objects.live().filter(mailbox_proven_at=None)
    return unproven.filter(network_hold__in=given_each("holds", number)).order_by()


def _free_of(names: Mapping[int, Sequence[str]], taken: Collection[str] | None) -> dict[int, str]:
    if taken is None:
        wanted = [name for each in names.values() for name in each]
        taken = {str(party.network_hold) for party in _unproven(len(wanted), holds=wanted)}
    free = {pk: [name for name in each if name not in taken] for pk, each in names.items()}
    return {pk: SystemRandom().choice(each) for pk, each in free.items() if each}


@compiled
def _unproven(number: int) -> QuerySet[Party]:
    return taken_holds(number).only("network_hold")


def _names(session_pk: int, network: str, number: int) -> list[str]:
    """Not the same network twice: what is stored of two sessions does not tell that it was one network."""
    key = hmac.new(settings.PERSON_KEY.encode(), f"hold:{session_pk}:{network}".encode(), hashlib.sha256).hexdigest()
    return [f"{key[:40]}:{each}" for each in range(number)]
