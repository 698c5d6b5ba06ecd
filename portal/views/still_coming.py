"""The party's answer that it is still coming. Fewer and no are what they are at any time: see ``visit``."""

from datetime import datetime

from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from bookings.domain import reconfirming as domain
from bookings.models import Party
from portal.views.visit import act


def _say_yes(request: HttpRequest, party: Party, now: datetime) -> None:
    """Of the visit that the button stood beside, so that an old page never answers for another one."""
    booking, starts_at = request.POST.get("booking", ""), _moment(request.POST.get("starts_at", ""))
    if not booking.isdecimal() or len(booking) > 18 or starts_at is None:
        raise domain.AskedOfAnotherVisit
    domain.say_yes(party.pk, booking_pk=int(booking), starts_at=starts_at, now=now)


def _moment(written: str) -> datetime | None:
    try:
        moment = parse_datetime(written)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


still_coming = act(_say_yes)
