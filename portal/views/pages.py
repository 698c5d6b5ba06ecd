"""Pages that stand for themselves."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from bookings.domain import retention
from portal.views.caching import kept_for_minutes
from portal.waiting_room.pace import TICKET_GOOD_FOR


@require_safe
@kept_for_minutes
def privacy(request: HttpRequest) -> HttpResponse:
    periods = {
        "unproven_hours": retention.KEEP_UNPROVEN.days * 24,
        "party_days": retention.KEEP_PARTY.days,
        "turn_hours": TICKET_GOOD_FOR // 3600,
        "key_months": retention.KEEP_PERSON_KEY.days * 12 // 365,
    }
    return render(request, "portal/privacy.html", periods)


@require_safe
@kept_for_minutes
def icon(request: HttpRequest) -> HttpResponse:
    """Browsers and feed readers that read no page guess this address."""
    return HttpResponseRedirect(static("portal/logo.svg"))
