"""How many places one network may hold in a session before its parties have proven their mailboxes.

Sign-up keeps places for half an hour for anybody who types an address. Of one network only a few parties may hold
some at a time; more are not refused: they prove their mailbox first, and then have what is still free.

Each hold has a name of its own, made of the session, the network and a number, and the database lets one unproven
party have it: so the number holds however many ask at the same moment, and nobody waits for a lock to count.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
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


def free_holds(sessions: Sequence[TourSession], *, network: str) -> dict[int, str]:
    """For every session in which the network may hold more, by its primary key, one of the holds that are free.

    Any of them: those who ask at the same moment should not all want the same.
    """
    free = _free_of(sessions, network, LOOKED_AT_FIRST)
    crowded = [each for each in sessions if each.pk not in free and most_of(each) > LOOKED_AT_FIRST]
    return free | _free_of(crowded, network, None) if crowded else free


def _free_of(sessions: Sequence[TourSession], network: str, looked_at: int | None) -> dict[int, str]:
    """Of so many holds of each session, or of all."""
    names = {session.pk: _names(session, network, looked_at) for session in sessions}
    wanted = [name for each in names.values() for name in each]
    taken = {party.network_hold for party in _unproven(len(wanted), wanted=wanted)}
    free = {pk: [name for name in each if name not in taken] for pk, each in names.items()}
    return {pk: SystemRandom().choice(each) for pk, each in free.items() if each}


@compiled
def _unproven(wanted: int) -> QuerySet[Party]:
    unproven = Party.objects.live().filter(mailbox_proven_at=None)
    return unproven.filter(network_hold__in=given_each("wanted", wanted)).only("network_hold").order_by()


def _names(session: TourSession, network: str, looked_at: int | None) -> list[str]:
    """Not the same network twice: what is stored of two sessions does not tell that it was one network."""
    key = hmac.new(settings.PERSON_KEY.encode(), f"hold:{session.pk}:{network}".encode(), hashlib.sha256).hexdigest()
    numbers: Sequence[int] = range(most_of(session))
    if looked_at is not None and looked_at < len(numbers):
        numbers = SystemRandom().sample(numbers, looked_at)
    return [f"{key[:40]}:{number}" for number in numbers]
