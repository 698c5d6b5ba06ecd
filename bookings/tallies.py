"""How a session stands, in numbers and in a word or two: the same for visitors and for hosts."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from django.db.models import Sum
from django.utils.translation import gettext, ngettext, npgettext

from bookings.models import Booking, BookingStatus, SessionState, TourSession

# From this number down, what is left is told as scarce.
FEW = 4


class Tally(NamedTuple):
    """`waiting` counts parties.

    `confirmed`, `offered` and `free` count parties too, or places where the session has no limit of parties.
    """

    confirmed: int
    offered: int
    free: int
    waiting: int = 0
    unit: Literal["parties", "places"] = "parties"


class Tag(NamedTuple):
    kind: str  # of the class tag-…: free, few, wait, out
    words: str


def counts_places(session: TourSession) -> bool:
    """Without a limit of parties tighter than its places, a session is told in places."""
    return session.max_parties >= session.capacity


def places_offered(sessions: Iterable[TourSession]) -> dict[int, int]:
    """The ledger counts offers in parties; sessions told in places need their places too: at most one query for all."""
    asked = [session.pk for session in sessions if session.parties_offered and counts_places(session)]
    if not asked:
        return {}
    offers = Booking.objects.filter(session__in=asked, status=BookingStatus.OFFERED)
    return dict(offers.order_by().values_list("session").annotate(Sum("places")))


def tally(session: TourSession, *, places_offered: int) -> Tally:
    """From the ledger. What is free is what a party could have under both limits, not what one of them alone leaves."""
    if counts_places(session):
        return Tally(
            confirmed=session.places_held - places_offered,
            offered=places_offered,
            free=session.places_free,
            waiting=session.parties_waiting,
            unit="places",
        )
    return Tally(
        confirmed=session.parties_confirmed,
        offered=session.parties_offered,
        free=session.room_for(session.season.tour.smallest_party),
        waiting=session.parties_waiting,
    )


def tag(state: SessionState, stands: Tally) -> Tag:
    if state == SessionState.PLACES:
        words = _only(stands) if stands.free <= FEW else _free(stands)
        return Tag("few" if stands.free <= FEW else "free", words % {"n": stands.free})
    if state == SessionState.CLOSED and not stands.free:
        return Tag("out", gettext("Full"))
    return Tag("wait" if state == SessionState.WAITLIST else "out", str(state.label))


def _only(stands: Tally) -> str:
    if stands.unit == "places":
        return npgettext("places", "Only %(n)s left", "Only %(n)s left", stands.free)
    return ngettext("Only %(n)s left", "Only %(n)s left", stands.free)


def _free(stands: Tally) -> str:
    if stands.unit == "places":
        return npgettext("places", "%(n)s free", "%(n)s free", stands.free)
    return ngettext("%(n)s free", "%(n)s free", stands.free)
