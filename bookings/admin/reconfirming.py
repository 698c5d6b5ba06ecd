"""The page of a season that says who was asked whether it is still coming, and did not answer."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from bookings.admin.no_shows import no_shows
from bookings.domain.reconfirming import reports_are_heard, silent_parties
from bookings.models import Season


def who_is_coming(request: HttpRequest, pk: int) -> HttpResponse:
    """It names parties and how to reach them: open to staff who may see both the season and its parties."""
    season = Season.objects.select_related("tour").filter(pk=pk).first()
    if season is None:
        raise Http404
    if not request.user.has_perms(["bookings.view_season", "bookings.view_party"]):
        raise PermissionDenied
    now = timezone.now()
    context = {
        "season": season,
        "silent": silent_parties(season, now=now),
        "no_shows": no_shows(season, now=now),
        "releases": season.releases_silent and reports_are_heard(now=now),
        "now": now,
    }
    response = TemplateResponse(request, "admin/bookings/season/coming.html", context)
    response["Cache-Control"] = "private, no-store"
    return response
