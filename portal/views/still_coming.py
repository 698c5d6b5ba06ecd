"""The party's answer that it is still coming, all or some of it. No is what it is at any time: see ``visit``."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from bookings.domain import reconfirming as domain
from bookings.domain.visit import NotFewer
from bookings.models import Party
from portal.views.visit import act


def _answer(request: HttpRequest, party: Party, now: datetime) -> None:
    """Of the visit that the button stood beside, so that an old page never answers for another one."""
    booking, starts_at = request.POST.get("booking", ""), _moment(request.POST.get("starts_at", ""))
    if not booking.isdecimal() or len(booking) > 18 or starts_at is None:
        raise domain.AskedOfAnotherVisit
    seen: dict[str, Any] = {"booking_pk": int(booking), "starts_at": starts_at}
    if "size" not in request.POST:
        domain.say_yes(party.pk, **seen, now=now)
        return
    size = request.POST["size"]
    if not size.isdecimal() or len(size) > 4:
        raise NotFewer
    domain.say_fewer(party.pk, size=int(size), **seen, now=now)


def _moment(written: str) -> datetime | None:
    try:
        moment = parse_datetime(written)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


still_coming = act(_answer)
