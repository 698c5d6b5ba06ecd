"""The page of one tour: what is seen on the way, and what to know before coming."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from bookings.models import Tour, Venue
from portal.views import tour_words
from portal.views.caching import kept_for_a_second
from portal.views.seasons import shown_seasons


@require_safe
@kept_for_a_second
def tour(request: HttpRequest, slug: str) -> HttpResponse:
    found = Tour.objects.filter(slug=slug, seasons__published=True).first()
    if found is None:
        raise Http404
    stops = list(found.stops.all())
    context = {
        "tour": found,
        "stops": stops,
        "minutes": sum(stop.minutes or 0 for stop in stops),
        "rules": tour_words.rules(found),
        "party": tour_words.party_size(found),
        "venues": Venue.objects.filter(sessions__season__tour=found, sessions__season__published=True).distinct(),
        "season": next((season for season in shown_seasons(now=timezone.now()) if season.tour_id == found.pk), None),
        "section": "tour",
    }
    return render(request, "portal/tour.html", context)
