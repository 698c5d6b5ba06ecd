"""How a party's wish to swap stands, as its page tells it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists

from bookings.domain import swaps
from bookings.models import TourSession
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
    others = swaps.sessions_to_wish_for(booking, now=now).order_by().select_related(None)
    wished_for = others.annotate(is_wished=Exists(swaps.wishes_around(booking))).values_list("is_wished", flat=True)
    found = list(wished_for[:1])  # One look, which for most parties is all.
    if not any(found):
        return SwapState(wished=[], is_asked=False) if found else None
    return SwapState(
        wished=[wish.wanted for wish in swaps.wishes_of(booking, now=now)],
        is_asked=bool(swaps.open_wishes_for(booking, now=now)),
    )
