"""The party's own page. Its link opens it; only a press of a button changes anything."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, NamedTuple

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from bookings.calendars import Method, invitation
from bookings.domain import visit as domain
from bookings.domain import waitlist
from bookings.domain.errors import BookingError
from bookings.domain.first_call import has_first_call
from bookings.drawn_codes import drawn_code
from bookings.models import Booking, BookingStatus, Party
from bookings.models.parties import parties_of_code
from portal import limits
from portal.forms.people import band_words
from portal.forms.visit import FewerForm, PeopleOfPartyForm
from portal.templatetags.times import session_day
from portal.views.answers import see_other
from portal.views.host_rows import season_of
from portal.views.refusals import too_many
from portal.views.sessions import others_with_room
from portal.views.still_coming_state import still_coming_state
from portal.views.swap_state import swap_state
from portal.views.visit_log import why_log
from portal.views.visit_state import History, Standing, party_and_history, standing

# How long a browser keeps what the link gave it; the link gives it again.
COOKIE_DAYS = 60
CONFLICT = 409
NEEDS_ANOTHER_LOOK = 422
# States in which a party can still choose other sessions.
CHOOSES = frozenset({"waiting", "requeued", "offered", "confirmed"})

PartyView = Callable[..., HttpResponse]


def _cookie(code: str) -> str:
    """A cookie for each party, so that somebody may lead several."""
    return f"visit-{code}"


def for_the_party(view: PartyView) -> PartyView:
    """Open to the browser that came through the party's present link; anybody else reads how to get in."""

    @wraps(view)
    def guarded(request: HttpRequest, code: str, *args: Any, **kwargs: Any) -> HttpResponse:
        version = _version_brought(request, code)
        party = next(iter(parties_of_code(code=code)), None) if version else None
        if party is None or version != str(party.link_version):
            return _locked(request)
        party.season = season_of(party.season_id)
        return view(request, party, *args, **kwargs)

    return guarded


def _version_brought(request: HttpRequest, code: str) -> str:
    """Of the link that this browser came through; empty where it came through none."""
    return request.get_signed_cookie(_cookie(code), default="", salt="visit", max_age=COOKIE_DAYS * 86400) or ""


def _locked(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/visit_locked.html", {"section": "visit"}, status=403)


@require_safe
def visit_link(request: HttpRequest, code: str, token: str) -> HttpResponse:
    """The link of a mail: becomes a cookie for this party and is gone from the address bar. Changes no row."""
    party = next(iter(parties_of_code(code=code)), None)
    if party is None or not party.link_token_is(token):
        if wait := limits.after_wrong_link(request, now=timezone.now()):
            return too_many(wait)
        return render(request, "portal/visit_link_old.html", {"section": "visit"}, status=404)
    response = see_other("visit", code=code)
    response.set_signed_cookie(
        _cookie(code),
        str(party.link_version),
        salt="visit",
        max_age=COOKIE_DAYS * 86400,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_safe
def visit(request: HttpRequest, code: str) -> HttpResponse:
    """Guarded as by ``for_the_party``; what it tells is read with the party."""
    version = _version_brought(request, code)
    party, history = party_and_history(code) if version else (None, None)
    if party is None or version != str(party.link_version):
        return _locked(request)
    return party_page(request, party, now=timezone.now(), history=history)


def party_page(
    request: HttpRequest, party: Party, *, now: datetime, refusal: str = "", history: History | None = None
) -> HttpResponse:
    stands = standing(party, now=now, history=history)
    log = why_log(stands, now=now)
    first_call = has_first_call(party, now=now)
    still_coming = still_coming_state(stands, now=now)
    members = history.members if history else None
    context = {
        "standing": stands,
        "party": party,
        "booking": stands.booking,
        "session": stands.session,
        "places": stands.booking.places if stands.booking else party.size,
        "sign": f"portal/visit/_{stands.state}.html",
        "log": log,
        "steps": stands.steps,
        "qr": _qr(party) if stands.shows_code else "",
        "others": others_with_room(now=now) if stands.has_ended and not first_call else [],
        "can_choose": can_choose(stands, now=now),
        "first_call_until": party.first_call_until if first_call else None,
        "coming": _coming(request),
        "still_coming": still_coming,
        "smaller_sizes": domain.smaller_sizes(party) if still_coming == "asked" else [],
        "swap": swap_state(stands, now=now),
        "many_sessions": len({entry.booking.session_id for entry in log.entries}) > 1,
        "tour": party.season.tour,
        "people": [(name, band_words(low, high)) for name, low, high in party.people(members)],
        "is_locked": bool(stands.session and now >= stands.session.roster_locks_at),
        "refusal": refusal,
        "now": now,
        "section": "visit",
    }
    return render(request, "portal/visit.html", context, status=CONFLICT if refusal else 200)


def can_choose(stands: Standing, *, now: datetime) -> bool:
    """Whether the party is led to the other sessions of its season; the domain says which it may have."""
    return has_first_call(stands.party, now=now) or (stands.state in CHOOSES and not stands.has_begun)


def _qr(party: Party) -> SafeString:
    return SafeString(drawn_code(party.code).svg_inline(border=0, omitsize=True))


class Question(NamedTuple):
    """A page before the press, for what cannot be taken back."""

    template: str
    is_asked: Callable[[Standing], bool]  # else there is nothing to give up


def act(change: Callable[[HttpRequest, Party, datetime], None], *, question: Question | None = None) -> PartyView:
    """One press: one change, then the page as it is now. A refusal is told on the page."""

    @for_the_party
    def press(request: HttpRequest, party: Party) -> HttpResponse:
        now = timezone.now()
        if request.method == "POST":
            try:
                change(request, party, now)
            except BookingError as refusal:
                return party_page(request, party, now=now, refusal=str(refusal))
        elif question and question.is_asked(stands := standing(party, now=now)):
            held = stands.held or stands.booking
            context = {"party": party, "standing": stands, "held": held, "now": now, "section": "visit"}
            return render(request, question.template, context)
        return to_party_page(party)

    return press


def to_party_page(party: Party) -> HttpResponse:
    return see_other("visit", code=party.code)


def _booking_pk(request: HttpRequest, party: Party) -> int:
    """The offer that the button stood beside, so that an old page never answers another one."""
    asked = request.POST.get("booking", "")
    booking = party.bookings.filter(pk=int(asked) if asked.isdecimal() and len(asked) < 19 else 0).first()
    if booking is None:
        raise waitlist.NothingOffered
    return booking.pk


def _coming(request: HttpRequest) -> set[int]:
    """Who comes, where fewer places are offered: positions of members, as they were ticked."""
    return {int(ticked) for ticked in request.POST.getlist("coming") if ticked.isdecimal() and len(ticked) < 5}


def _wait_for_all(booking_pk: int, *, now: datetime) -> None:
    if not Booking.objects.filter(pk=booking_pk, status=BookingStatus.WAITING).exists():  # A double click is one.
        waitlist.wait_for_all(booking_pk, now=now)


def prove(request: HttpRequest, code: str) -> HttpResponse:
    """Guarded as by ``for_the_party``, under the locks of the change itself: in a rush everybody comes here."""
    now, version = timezone.now(), _version_brought(request, code)
    if not version:
        return _locked(request)
    if request.method == "POST":
        try:
            is_present_link = domain.prove_mailbox_by_link(code, link_version=version, now=now)
        except BookingError as refusal:
            [party] = parties_of_code(code=code)
            return party_page(request, party, now=now, refusal=str(refusal))
        if not is_present_link:
            return _locked(request)
    return see_other("visit", code=code)


accept = act(
    lambda request, party, now: waitlist.accept_offer(_booking_pk(request, party), now=now, coming=_coming(request))
)
wait = act(lambda request, party, now: _wait_for_all(_booking_pk(request, party), now=now))
decline = act(lambda request, party, now: waitlist.decline_offer(_booking_pk(request, party), now=now))
leave = act(
    lambda _request, party, now: waitlist.leave_lines(party.pk, now=now),
    question=Question("portal/visit_leave.html", lambda stands: bool(stands.lines)),
)
cancel = act(
    lambda _request, party, now: domain.cancel_places(party.pk, now=now),
    question=Question("portal/visit_cancel.html", lambda stands: stands.can_cancel),
)


def _while_it_can_change(view: PartyView) -> PartyView:
    """A form for what can still be changed; where nothing can, the page says so."""

    @for_the_party
    def guarded(request: HttpRequest, party: Party) -> HttpResponse:
        now = timezone.now()
        stands = standing(party, now=now)
        if stands.session and stands.can_change:
            return view(request, party, session_day(stands.session), now)
        if request.method == "POST":
            refusal = domain.TooLateToCancel() if stands.has_begun else domain.VisitOver()
            return party_page(request, party, now=now, refusal=str(refusal))
        return to_party_page(party)

    return guarded


@_while_it_can_change
def fewer(request: HttpRequest, party: Party, day: str, now: datetime) -> HttpResponse:
    """Come with fewer people: who still comes."""
    is_done = request.POST.get("size") == str(party.size)  # The second press of a double click.
    if is_done or party.size == party.season.tour.smallest_party:
        return to_party_page(party)
    form = FewerForm(party, request.POST if request.method == "POST" else None, day=day)
    if form.is_valid():
        try:
            domain.come_with_fewer(party.pk, lead=form.lead, companions=form.companions, now=now)
        except BookingError as refusal:
            form.add_error(None, str(refusal))
        else:
            return to_party_page(party)
    return _form_page(request, party, "portal/visit_fewer.html", form)


@_while_it_can_change
def people(request: HttpRequest, party: Party, day: str, now: datetime) -> HttpResponse:
    """Correct names and ages, and what the house should prepare."""
    form = PeopleOfPartyForm(party, request.POST if request.method == "POST" else None, day=day)
    if form.is_valid():
        try:
            domain.change_people(
                party.pk,
                lead=form.lead,
                companions=form.companions,
                access_needs=form.cleaned_data["access_needs"],
                now=now,
            )
        except BookingError as refusal:
            form.add_error(None, str(refusal))
        else:
            return to_party_page(party)
    return _form_page(request, party, "portal/visit_people.html", form)


def _form_page(request: HttpRequest, party: Party, template: str, form: FewerForm | PeopleOfPartyForm) -> HttpResponse:
    context = {"party": party, "form": form, "section": "visit"}
    return render(request, template, context, status=NEEDS_ANOTHER_LOOK if form.is_bound else 200)


@require_safe
@for_the_party
def calendar(_request: HttpRequest, party: Party) -> HttpResponse:
    """The visit for a calendar, as a file."""
    booking = (
        party.bookings.filter(status__in=[BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN])
        .select_related("session__season__tour", "session__venue", "party")
        .first()
    )
    if booking is None:
        raise Http404
    return HttpResponse(
        invitation(booking, Method.PUBLISH, now=timezone.now()),
        content_type="text/calendar; charset=utf-8; method=PUBLISH",
        headers={"Content-Disposition": f'attachment; filename="visit-{party.code_in_words}.ics"'},
    )
