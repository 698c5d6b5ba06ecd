"""How a party's wish to swap stands, as its page tells it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from bookings.domain import swaps
from bookings.models import TourSession
from portal.views.host_rows import rosters_of
from portal.views.visit_state import Standing


class SwapState(NamedTuple):
    """``is_asked``: whether another party would like to have this party's date and may."""

    wished: Sequence[TourSession]
    is_asked: bool


def swap_state(stands: Standing, *, now: datetime) -> SwapState | None:
    """Nothing where the party cannot swap, or the season has no other session to swap into."""
    booking = stands.booking
    if stands.state != "confirmed" or booking is None or not booking.session.serves_its_line(now):
        return None
    rosters = rosters_of(booking.session.season_id)
    if not any(pk != booking.session_id and locks_at > now for pk, locks_at in rosters.items()):
        return None
    if not stands.has_swap_wishes:
        return SwapState(wished=[], is_asked=False)
    return SwapState(
        wished=[wish.wanted for wish in swaps.wishes_of(booking, now=now)],
        is_asked=bool(swaps.open_wishes_for(booking, now=now)),
    )
