"""Whether a party's page asks if it is still coming, or thanks it for its answer."""

from datetime import datetime

from bookings.domain.reconfirming import has_said_yes, is_asked
from portal.views.visit_state import Standing


def still_coming_state(stands: Standing, *, now: datetime) -> str:
    """``asked``, ``yes``, or nothing: no query where the season does not ask."""
    booking = stands.booking
    if stands.state != "confirmed" or booking is None or stands.has_begun:
        return ""
    if booking.session.season.asks_again_days is None:
        return ""
    if has_said_yes(booking):
        return "yes"
    return "asked" if is_asked(booking, now=now) else ""
