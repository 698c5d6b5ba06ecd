"""A season as a calendar to subscribe to: the same for everybody, so caches may keep it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from bookings import calendars
from bookings.models import Season
from portal.views.caching import kept_until_it_changes


@require_safe
@kept_until_it_changes
def season_calendar(_request: HttpRequest, pk: int) -> HttpResponse:
    season = get_object_or_404(Season.objects.public().select_related("tour"), pk=pk)
    sessions = season.sessions.select_related("venue").order_by("starts_at", "pk")
    return HttpResponse(
        calendars.season_calendar(season, sessions, now=timezone.now()),
        content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": f'inline; filename="season-{season.pk}.ics"'},
    )
