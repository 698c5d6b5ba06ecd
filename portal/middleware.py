"""Hosts read and type times on the clock of their house."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from bookings.models import Venue


class StaffInVenueTime:
    """On the admin site the time zone is that of the first venue; pages of visitors name the zone of each session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "/admin/" not in request.path_info:
            return self.get_response(request)
        venue = Venue.objects.order_by("pk").first()
        with timezone.override(venue.zone if venue else None):
            return self.get_response(request)
