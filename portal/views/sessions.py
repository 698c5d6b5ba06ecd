"""The home page with its seasons, and the page of one session: the same for everybody, so caches may keep them."""

from datetime import datetime
from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from bookings.models import Season, SessionState, Tour, TourSession
from portal.views import session_words, tour_words
from portal.views.caching import kept_for_a_second
from portal.views.season_pages import SeasonPage, lay_out
from portal.views.seasons import shown_seasons
from portal.views.session_words import Row

MOST_OTHERS = 3


@require_safe
@kept_for_a_second
def home(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    seasons = _season_pages(request, now=now)
    if not seasons:
        tour = Tour.objects.filter(seasons__published=True).order_by("-seasons__opens_at").first()
        return render(request, "portal/closed_season.html", {"tour": tour})
    return render(request, "portal/home.html", {"first": seasons[0], "seasons": seasons})


@require_safe
@kept_for_a_second
def session(request: HttpRequest, pk: int) -> HttpResponse:
    now = timezone.now()
    found = TourSession.objects.public().select_related("season__tour", "venue").filter(pk=pk).first()
    if found is None:
        return render(request, "portal/session_unknown.html", {"others": others_with_room(now=now)}, status=404)
    words = session_words.describe(found, now=now)
    context = {
        "session": found,
        "tour": found.season.tour,
        "words": words,
        "length": session_words.length(found),
        "party": tour_words.party_size(found.season.tour),
        "rules": tour_words.rules(found.season.tour),
        "others": [] if words.act else others_with_room(now=now, besides=found),
        "section": "sessions",
    }
    return render(request, "portal/session.html", context)


def others_with_room(*, now: datetime, besides: TourSession | None = None) -> list[Row]:
    """The next sessions with room, of the same season before those of others."""
    sessions = TourSession.objects.public().filter(called_off_at=None, closed_at=None, starts_at__gt=now)
    found = [
        session
        for session in sessions.select_related("season__tour", "venue")
        if session.state(now) == SessionState.PLACES and session != besides
    ]
    if besides is not None:
        found.sort(key=lambda session: session.season_id != besides.season_id)
    described = session_words.describe_all(found[:MOST_OTHERS], now=now)
    return [session_words.row(words, with_day=True) for words in described]


def _season_pages(request: HttpRequest, *, now: datetime) -> list[SeasonPage]:
    """One query for the seasons and one for the sessions of all of them."""
    seasons = shown_seasons(now=now)
    sessions = TourSession.objects.filter(season__in=seasons, ends_at__gt=now).select_related("season__tour", "venue")
    by_season = {
        pk: list(its) for pk, its in groupby(sessions.order_by("season", "starts_at", "pk"), lambda s: s.season_id)
    }
    return [
        lay_out(season, by_season[season.pk], only=_only(request, season, seasons[0]), now=now) for season in seasons
    ]


def _only(request: HttpRequest, season: Season, first: Season) -> str:
    """Each season has its own filter; one that names no season is meant for the first."""
    meant = request.GET.get("season", str(first.pk))
    return request.GET.get("only", "") if meant == str(season.pk) else ""
