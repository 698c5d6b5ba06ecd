"""What every page says about the house around its own content."""

from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse, translate_url
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language, override, to_locale

from bookings.models import GUIDE_LANGUAGES, House, Season
from portal import kept
from portal.views.seasons import shown_seasons


class OtherLanguage(NamedTuple):
    code: str  # as HTML writes it: zh-Hans
    name: str  # in the language itself
    url: str


def house(request: HttpRequest) -> dict[str, object]:
    """Asked of the database only by templates that say it, so that staff and error pages cost nothing."""
    return {
        "house": SimpleLazyObject(_house),
        "house_tour_url": SimpleLazyObject(_tour_url),
        "other_language": SimpleLazyObject(lambda: _other_language(request)),
    }


@kept.for_a_second
def _house() -> House:
    return House.objects.first() or House()


def _tour_url() -> str:
    slug = _tour_shown_first()
    return reverse("tour", args=[slug]) if slug else ""


@kept.for_a_second
def _tour_shown_first() -> str:
    """Between seasons that of the last one."""
    shown = shown_seasons(now=timezone.now())
    season = shown[0] if shown else Season.objects.public().select_related("tour").last()
    return season.tour.slug if season else ""


def _other_language(request: HttpRequest) -> OtherLanguage | None:
    """The same page in the next language; a page that is nowhere leads home."""
    codes = [code for code, _name in settings.LANGUAGES]
    here = get_language()
    if here not in codes or len(codes) < 2:
        return None
    code = codes[(codes.index(here) + 1) % len(codes)]
    url = translate_url(request.get_full_path(), code)
    if url == request.get_full_path():
        with override(code):
            url = reverse("home")
    return OtherLanguage(to_locale(code).replace("_", "-"), GUIDE_LANGUAGES[code], url)
