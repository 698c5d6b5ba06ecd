"""Whoever asks too often is told when to ask again."""

from functools import cache

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language, ngettext

TOO_MANY_REQUESTS = 429


def too_many_words(seconds: int) -> str:
    """For a form, which is shown again as it was filled in."""
    if seconds <= 90:
        return ngettext(
            "Many sign-ups or links were asked for from your connection just now. What you wrote is still here: "
            "press again in %(n)s second.",
            "Many sign-ups or links were asked for from your connection just now. What you wrote is still here: "
            "press again in %(n)s seconds.",
            seconds,
        ) % {"n": seconds}
    minutes = -(-seconds // 60)
    return ngettext(
        "Many sign-ups or links were asked for from your connection just now. What you wrote is still here: "
        "press again in %(n)s minute.",
        "Many sign-ups or links were asked for from your connection just now. What you wrote is still here: "
        "press again in %(n)s minutes.",
        minutes,
    ) % {"n": minutes}


def said_to_wait(response: HttpResponse, seconds: int) -> HttpResponse:
    response.status_code = TOO_MANY_REQUESTS
    response["Retry-After"] = str(seconds)
    return response


def too_many(seconds: int) -> HttpResponse:
    """For a flood: asks no database and costs next to nothing."""
    return said_to_wait(HttpResponse(_page(get_language() or "en")), seconds)


@cache
def _page(_language: str) -> str:
    """Without the request there are no context processors."""
    return render_to_string("429.html")
