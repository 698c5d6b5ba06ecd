"""Pages that stand for themselves."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bookings.domain import retention
from portal.views.caching import kept_for_minutes


@require_safe
@kept_for_minutes
def privacy(request: HttpRequest) -> HttpResponse:
    periods = {
        "unproven_hours": retention.KEEP_UNPROVEN.days * 24,
        "party_days": retention.KEEP_PARTY.days,
        "key_months": retention.KEEP_PERSON_KEY.days * 12 // 365,
    }
    return render(request, "portal/privacy.html", periods)
