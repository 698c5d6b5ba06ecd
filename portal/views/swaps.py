"""Swapping with another confirmed party: wish for other dates, say yes to a wish, withdraw. Nobody is named."""

from datetime import datetime
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from bookings.domain import swaps as domain
from bookings.domain.errors import BookingError
from bookings.models import Booking, BookingStatus, Party, TourSession
from portal.forms.swaps import SwapForm
from portal.templatetags.times import session_when
from portal.views.answers import SeeOther
from portal.views.session_words import IN_LANGUAGE
from portal.views.visit import NEEDS_ANOTHER_LOOK, PartyView, act, for_the_party, party_page, to_party_page


def _while_it_can_swap(view: PartyView) -> PartyView:
    """For a party whose place can be swapped now; a press of any other is answered with the reason."""

    @for_the_party
    @wraps(view)
    def guarded(request: HttpRequest, party: Party, **where: Any) -> HttpResponse:
        now = timezone.now()
        try:
            return view(request, party, domain.place_to_swap(party, now=now), now, **where)
        except BookingError as refusal:
            if request.method == "POST":
                return party_page(request, party, now=now, refusal=str(refusal))
            return to_party_page(party)

    return guarded


@_while_it_can_swap
def swap(request: HttpRequest, party: Party, booking: Booking, now: datetime) -> HttpResponse:
    """What a swap is, on which other dates the party would come, and what others wish."""
    sessions = [(session.pk, _words(session)) for session in domain.sessions_to_wish_for(booking, now=now)]
    wished = [wish.wanted_id for wish in domain.wishes_of(booking, now=now)]
    is_old = request.method == "POST" and request.POST.get("booking") != str(booking.pk)
    if is_old or not sessions:  # The second press of a double click that was a swap, or a page from before one.
        return to_party_page(party)
    form = SwapForm(booking, sessions, request.POST if request.method == "POST" else None, wished=wished)
    if form.is_valid():
        domain.wish_swap(party.pk, session_pks=form.cleaned_data["sessions"], now=now)
        page = to_party_page(party)
        # A swap that was done at once stands above; a wish is told farther down.
        return SeeOther(f"{page['Location']}#swap") if domain.wishes_of(booking, now=now).exists() else page
    context = {
        "party": party,
        "booking": booking,
        "session": booking.session,
        "form": form,
        "wished": wished,
        "open_wishes": domain.open_wishes_for(booking, now=now),
        "is_waiting": party.bookings.filter(status=BookingStatus.WAITING).exists(),
        "section": "visit",
    }
    return render(request, "portal/visit_swap.html", context, status=NEEDS_ANOTHER_LOOK if form.is_bound else 200)


@_while_it_can_swap
def say_yes(request: HttpRequest, party: Party, booking: Booking, now: datetime, wish_pk: int) -> HttpResponse:
    """Asks once more; then both parties have said yes."""
    if request.method == "POST":
        domain.say_yes_to_swap(party.pk, wish_pk=wish_pk, now=now)
        return to_party_page(party)
    wish = next((each for each in domain.open_wishes_for(booking, now=now) if each.pk == wish_pk), None)
    if wish is None:
        return party_page(request, party, now=now, refusal=str(domain.SwapGone()))
    context = {
        "party": party,
        "booking": booking,
        "wish": wish,
        "is_waiting": party.bookings.filter(status=BookingStatus.WAITING).exists(),
        "section": "visit",
    }
    return render(request, "portal/visit_swap_yes.html", context)


withdraw = act(lambda _request, party, now: domain.withdraw_swap(party.pk, now=now))


def _words(session: TourSession) -> str:
    return f"{session_when(session)} · {IN_LANGUAGE[session.language]}"
