"""The page of a season that says who was asked whether it is still coming, and did not answer."""

from datetime import datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from bookings.admin.no_shows import no_shows
from bookings.admin.reasons import who
from bookings.domain.errors import BookingError
from bookings.domain.reconfirming import reports_are_heard, say_yes, silent_parties
from bookings.models import Booking, Season


def who_is_coming(request: HttpRequest, pk: int) -> HttpResponse:
    """It names parties and how to reach them: open to staff who may see both the season and its parties.

    Whoever may change bookings says here for a party that it is coming, having called it.
    """
    season = Season.objects.select_related("tour").filter(pk=pk).first()
    if season is None:
        raise Http404
    if not request.user.has_perms(["bookings.view_season", "bookings.view_party"]):
        raise PermissionDenied
    now = timezone.now()
    if request.method == "POST":
        _note_yes(request, season, now=now)
        return HttpResponseRedirect(request.path)
    context = {
        "season": season,
        "silent": silent_parties(season, now=now),
        "no_shows": no_shows(season, now=now),
        "releases": season.releases_silent and reports_are_heard(now=now),
        "may_answer": request.user.has_perm("bookings.change_booking"),
        "now": now,
    }
    response = TemplateResponse(request, "admin/bookings/season/coming.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


def _note_yes(request: HttpRequest, season: Season, *, now: datetime) -> None:
    """Of the session as it is now: the host has just spoken with the party."""
    if not request.user.has_perm("bookings.change_booking"):
        raise PermissionDenied
    asked = request.POST.get("booking", "")
    booking = (
        Booking.objects.filter(pk=int(asked) if asked.isdecimal() and len(asked) < 19 else 0, session__season=season)
        .select_related("session", "party")
        .first()
    )
    if booking is None:
        messages.error(request, _("This party is not on the list."))
        return
    try:
        say_yes(booking.party_id, booking_pk=booking.pk, starts_at=booking.session.starts_at, now=now, who=who(request))
    except BookingError as refusal:
        messages.error(request, f"{booking.party.code_in_words}: {refusal}")
    else:
        told = _("%(party)s is still coming.") % {"party": booking.party.code_in_words}
        messages.success(request, told)
