"""The day of the visit: the desk with today's sessions, a roster to print, and check-in on a phone."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from bookings.admin.reasons import who
from bookings.domain import check_in as domain
from bookings.domain.errors import BookingError
from bookings.models import Booking, BookingStatus, TourSession

ON_THE_ROSTER = [BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN, BookingStatus.NO_SHOW]
# The desk lists sessions from yesterday on, a week ahead.
LOOKS_BACK, LOOKS_AHEAD = timedelta(days=1), timedelta(days=7)
SEE_OTHER = 303
CONFLICT = 409
LONGEST_NUMBER = 6


class NotANumber(BookingError):
    message = _("Write how many came as a number.")


StaffView = Callable[..., HttpResponse]


def for_the_gate(view: StaffView) -> StaffView:
    """Open to staff who may use the roster, and to nobody else."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm("bookings.use_roster"):
            raise PermissionDenied
        response = view(request, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response

    return guarded


@for_the_gate
def desk(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    sessions = (
        TourSession.objects.filter(
            starts_at__gte=now - LOOKS_BACK, starts_at__lte=now + LOOKS_AHEAD, called_off_at=None
        )
        .select_related("season__tour", "venue")
        .order_by("starts_at")
    )
    opened = [session for session in sessions if domain.has_opened(session, now=now)]
    return TemplateResponse(request, "admin/bookings/desk.html", {"sessions": sessions, "opened": opened, "now": now})


@for_the_gate
def roster(request: HttpRequest, pk: int) -> HttpResponse:
    now = timezone.now()
    session = _session(pk)
    parties = _parties(session)
    coming = [booking for booking in parties["bookings"] if booking.status != BookingStatus.NO_SHOW]
    return TemplateResponse(request, "admin/bookings/roster.html", {**parties, "bookings": coming, "now": now})


@for_the_gate
def check_in(request: HttpRequest, pk: int, *, refusal: str = "") -> HttpResponse:
    now = timezone.now()
    session = _session(pk)
    asked = _asked(request)
    context = {
        **_parties(session, asked),
        "too_early": "" if domain.has_opened(session, now=now) else str(domain.CheckInTooEarly(session)),
        "now": now,
        "asked": asked,
        "refusal": refusal,
    }
    return TemplateResponse(request, "admin/bookings/check_in.html", context, status=CONFLICT if refusal else 200)


@for_the_gate
def act(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """One press at the desk: here, with fewer, undo, or missing."""
    booking = Booking.objects.filter(pk=pk).first()
    if booking is None or act not in ACTS:
        raise Http404
    if request.method == "POST":
        try:
            ACTS[act](request, booking, timezone.now())
        except BookingError as refusal:
            return check_in(request, booking.session_id, refusal=str(refusal))
    page, asked = reverse("admin:bookings_check_in", args=[booking.session_id]), _asked(request)
    query = f"?{urlencode({'q': asked})}" if asked else ""
    return HttpResponseRedirect(f"{page}{query}#party-{booking.pk}", status=SEE_OTHER)


def _here(request: HttpRequest, booking: Booking, now: datetime) -> None:
    """The whole party, unless a number was typed."""
    arrived = request.POST.get("arrived")
    if arrived is not None and not (arrived.isdecimal() and len(arrived) <= LONGEST_NUMBER):
        raise NotANumber
    domain.check_in_party(booking.pk, arrived=int(arrived) if arrived else None, now=now, who=who(request))


def _undo(request: HttpRequest, booking: Booking, now: datetime) -> None:
    domain.undo_check_in(booking.pk, now=now, who=who(request))


def _missing(request: HttpRequest, booking: Booking, now: datetime) -> None:
    domain.mark_no_show(booking.pk, now=now, who=who(request))


ACTS: dict[str, Callable[[HttpRequest, Booking, datetime], None]] = {"here": _here, "undo": _undo, "missing": _missing}


def _asked(request: HttpRequest) -> str:
    """The code or name looked for; a press carries it along, so that the same list is shown after it."""
    return " ".join((request.POST.get("q") or request.GET.get("q", "")).split())


def _session(pk: int) -> TourSession:
    session = TourSession.objects.select_related("season__tour", "venue").filter(pk=pk).first()
    if session is None:
        raise Http404
    return session


def _parties(session: TourSession, asked: str = "") -> dict[str, Any]:
    """Who is expected, by name; two queries however many come."""
    bookings = list(
        session.bookings.filter(status__in=ON_THE_ROSTER)
        .select_related("party")
        .prefetch_related("party__members")
        .order_by("party__lead_name", "pk")
    )
    expected = [booking for booking in bookings if booking.status != BookingStatus.NO_SHOW]
    here = [booking for booking in bookings if booking.status == BookingStatus.CHECKED_IN]
    found = [booking for booking in bookings if _is_asked_for(booking, asked)]
    return {
        "session": session,
        "tour": session.season.tour,
        "bookings": found,
        "parties": len(expected),
        "people": sum(booking.places for booking in expected),
        "parties_here": len(here),
        "people_here": sum(booking.arrived or 0 for booking in here),
    }


def _is_asked_for(booking: Booking, asked: str) -> bool:
    names = [name for name, _low, _high in booking.party.people()]
    where = " ".join([booking.party.code, booking.party.code_in_words, *names]).casefold()
    return asked.casefold() in where


def urls(site: admin.AdminSite) -> list[tuple[str, StaffView, str]]:
    """Address, view and name of each page, for the admin of sessions."""
    pages: list[tuple[str, StaffView, str]] = [
        ("desk/", desk, "bookings_desk"),
        ("<int:pk>/roster/", roster, "bookings_roster"),
        ("<int:pk>/check-in/", check_in, "bookings_check_in"),
        ("check-in/<int:pk>/<slug:act>/", act, "bookings_check_in_act"),
    ]
    return [(address, site.admin_view(view), name) for address, view, name in pages]
