"""The other sessions of a party's season: the lines it stands in, and what it could have instead."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import wraps
from itertools import groupby
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe

from bookings.domain import choices as domain
from bookings.domain.errors import BookingError
from bookings.domain.first_call import has_first_call, may_have_what_is_kept
from bookings.models import LIVE, Booking, BookingStatus, Party, SessionState, TourSession
from portal.forms.choices import WishesForm
from portal.templatetags.times import day_name
from portal.views.answers import see_other
from portal.views.season_pages import Day
from portal.views.session_words import SessionWords, describe, describe_all, row
from portal.views.visit import NEEDS_ANOTHER_LOOK, can_choose, for_the_party, party_page, to_party_page
from portal.views.visit_state import Line, Standing, standing


class Own(NamedTuple):
    """One line of the party; ``earlier`` and ``later`` are all its lines in the order that a press makes of them."""

    line: Line
    earlier: str
    later: str
    may_call: bool


class Act(NamedTuple):
    """What can be had of a session; one that ``asks`` leads to a page with the question."""

    words: str
    view: str
    pk: int
    asks: bool = False


@require_safe
@for_the_party
def sessions(request: HttpRequest, party: Party) -> HttpResponse:
    now = timezone.now()
    stands = standing(party, now=now)
    if not can_choose(stands, now=now):
        return to_party_page(party)
    return _page(request, stands, WishesForm(party), now=now)


def _page(request: HttpRequest, stands: Standing, form: WishesForm, *, now: datetime) -> HttpResponse:
    party = stands.party
    is_called = has_first_call(party, now=now)
    kept = list(_kept(stands))
    allowed = party.season.choices_allowed
    taken = domain.lines_taken([*kept, *(line.booking for line in stands.lines)])
    words = _others(party, stands, now=now)
    context = {
        "party": party,
        "standing": stands,
        "kept": kept,
        "own": _own(stands, is_called=is_called),
        "days": _days(words, party, kept, may_join=taken < allowed, is_called=is_called),
        "allowed": allowed,
        "is_full": taken >= allowed,
        "first_call_until": party.first_call_until if is_called else None,
        "venue": words[0].session.venue if words else None,
        "form": form,
        "now": now,
        "section": "visit",
    }
    status = NEEDS_ANOTHER_LOOK if form.is_bound else 200
    return render(request, "portal/visit_sessions.html", context, status=status)


def _kept(stands: Standing) -> Iterator[Booking]:
    """What is kept for the party: an offer, and the places it has."""
    if stands.booking and stands.booking.holds_places:
        yield stands.booking
    if stands.held:
        yield stands.held


def _own(stands: Standing, *, is_called: bool) -> list[Own]:
    pks = [line.booking.pk for line in stands.lines]
    return [
        Own(
            line=line,
            earlier=_moved(pks, place, place - 1) if place else "",
            later=_moved(pks, place, place + 1) if place < len(pks) - 1 else "",
            may_call=is_called and not line.booking.first_call and bool(line.words.act),
        )
        for place, line in enumerate(stands.lines)
    ]


def _moved(pks: Sequence[int], place: int, other: int) -> str:
    """The whole order, so that a second press asks for the same as the first."""
    order = list(pks)
    order[place], order[other] = order[other], order[place]
    return ",".join(map(str, order))


def _others(party: Party, stands: Standing, *, now: datetime) -> list[SessionWords]:
    """The sessions of the season that can be asked for now and that the party has not asked for, by date."""
    own = party.bookings.filter(status__in=LIVE).values_list("session", flat=True)
    to_come = TourSession.objects.filter(season=party.season_id, season__published=True, roster_locks_at__gt=now)
    found = to_come.exclude(pk__in=own).select_related("season__tour", "venue").order_by("starts_at", "pk")
    return [words for words in describe_all(list(found), now=now, is_in=True) if words.act]


def _days(
    words: Sequence[SessionWords], party: Party, kept: Sequence[Booking], *, may_join: bool, is_called: bool
) -> list[Day]:
    with_venue = len({str(told.session.venue.name) for told in words}) > 1

    def row_of(told: SessionWords) -> Any:
        act = _act_of(told, party, kept, may_join=may_join, is_called=is_called)
        return {**row(told, with_venue=with_venue)._asdict(), "link": "", "act": act}

    return [
        Day(
            id=day.isoformat(),
            number=day.day,
            name=day_name(day),
            feast=next((str(told.session.label) for told in on_day if str(told.session.label)), ""),
            rows=[row_of(told) for told in on_day],
        )
        for day, its in groupby(words, key=lambda told: told.session.local_start.date())
        for on_day in [list(its)]
    ]


def _act_of(
    told: SessionWords, party: Party, kept: Sequence[Booking], *, may_join: bool, is_called: bool
) -> Act | None:
    pk, is_confirmed = told.session.pk, any(booking.status == BookingStatus.CONFIRMED for booking in kept)
    if _has_room(told, party, is_called=is_called):
        take = ngettext("Take %(n)s place", "Take %(n)s places", party.size) % {"n": party.size}
        return Act(gettext("Move here") if is_confirmed else take, "visit_take", pk, asks=bool(kept))
    if not may_join:
        return None
    if is_called:
        return Act(gettext("Wait here with first call"), "visit_join", pk)
    if is_confirmed:
        return Act(gettext("Wait here, keep our places meanwhile"), "visit_join", pk)
    return Act(gettext("Wait here too"), "visit_join", pk)


def _has_room(told: SessionWords, party: Party, *, is_called: bool) -> bool:
    if is_called and told.act and may_have_what_is_kept(told.session, size=party.size):
        return True
    return told.state == SessionState.PLACES and told.session.room_for(party.size) > 0


def _pressed(change: Callable[..., None]) -> Callable[..., HttpResponse]:
    """One press: one change, then the page of the sessions, or an offer that came of it. A refusal is told."""

    @for_the_party
    @wraps(change)
    def press(request: HttpRequest, party: Party, **where: int) -> HttpResponse:
        now = timezone.now()
        if request.method != "POST":
            return see_other("visit_sessions", code=party.code)
        offered = party.bookings.filter(status=BookingStatus.OFFERED)
        had_an_offer = offered.exists()
        try:
            change(request, party, now, **where)
        except BookingError as refusal:
            return party_page(request, party, now=now, refusal=str(refusal))
        if offered.exists() and not had_an_offer:
            return to_party_page(party)
        return see_other("visit_sessions", code=party.code)

    return press


@_pressed
def join(_request: HttpRequest, party: Party, now: datetime, pk: int) -> None:
    pk = _number(str(pk))
    waits = party.bookings.filter(session=pk, status__in=[BookingStatus.WAITING, BookingStatus.OFFERED])
    is_called = has_first_call(party, now=now) and not waits.filter(first_call=True).exists()
    if not waits.exists() or is_called:  # A double click is one.
        domain.join_line(party.pk, pk, now=now)


@_pressed
def drop(request: HttpRequest, party: Party, now: datetime) -> None:
    booking = party.bookings.filter(pk=_number(request.POST.get("booking", ""))).first()
    if booking is None:
        raise domain.NotInThisLine
    domain.drop_choice(booking.pk, now=now)


@for_the_party
def no_other_date(request: HttpRequest, party: Party) -> HttpResponse:
    """First call is given up by a press on a page of its own: what was kept goes to others and cannot be taken back."""
    now = timezone.now()
    if request.method == "POST":
        domain.give_up_first_call(party.pk, now=now)
    elif has_first_call(party, now=now):
        context = {"party": party, "standing": standing(party, now=now), "now": now, "section": "visit"}
        return render(request, "portal/visit_no_other_date.html", context)
    return to_party_page(party)


@_pressed
def order(request: HttpRequest, party: Party, _now: datetime) -> None:
    domain.order_choices(party.pk, [_number(pk) for pk in request.POST.get("order", "").split(",")])


def _number(asked: str) -> int:
    """An id as it was typed; 0, which nothing has, for what no database takes for one."""
    return int(asked) if asked.isdecimal() and len(asked) < 19 else 0


@for_the_party
def wishes(request: HttpRequest, party: Party) -> HttpResponse:
    now = timezone.now()
    form = WishesForm(party, request.POST if request.method == "POST" else None)
    stands = standing(party, now=now)
    if form.is_bound and can_choose(stands, now=now) and not form.is_valid():
        return _page(request, stands, form, now=now)
    return _keep_wishes(request, code=party.code)


@_pressed
def _keep_wishes(request: HttpRequest, party: Party, now: datetime) -> None:
    form = WishesForm(party, request.POST)
    if not form.is_valid():
        raise domain.NothingToChoose
    domain.change_wishes(party.pk, **form.wished(), now=now)


@for_the_party
def take(request: HttpRequest, party: Party, pk: int) -> HttpResponse:
    """Places of another session at once. What is kept for the party and would be given up is named before."""
    now, pk = timezone.now(), _number(str(pk))
    stands = standing(party, now=now)
    kept = list(_kept(stands))
    given_up = ",".join(str(booking.pk) for booking in kept)
    if request.method == "POST" and request.POST.get("given_up", "") == given_up:
        try:
            domain.take_places(party.pk, pk, now=now)
        except BookingError as refusal:
            return party_page(request, party, now=now, refusal=str(refusal))
        return to_party_page(party)
    if not can_choose(stands, now=now) or any(booking.session_id == pk for booking in kept):
        return to_party_page(party)
    wanted = TourSession.objects.public().filter(pk=pk, season=party.season_id).select_related("season__tour", "venue")
    session, is_called = wanted.first(), has_first_call(party, now=now)
    if session is None or not _has_room(describe(session, now=now, is_in=True), party, is_called=is_called):
        return see_other("visit_sessions", code=party.code)
    context = {
        "party": party,
        "session": session,
        "kept": kept,
        "moves": any(booking.status == BookingStatus.CONFIRMED for booking in kept),
        "given_up": given_up,
        "lines": stands.lines,
        "section": "visit",
    }
    return render(request, "portal/visit_take.html", context)
