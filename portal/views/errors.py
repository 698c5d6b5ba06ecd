"""What a visitor reads when a page cannot be given; each says what to do next."""

import sys

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from portal.overload import busy, cannot_be_asked, reason


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return render(request, "413.html", status=413)
    return render(request, "400.html", status=400)


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "404.html", status=404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form whose cookie was missing or old: most often a page left open for long, or cookies switched off."""
    return render(request, "portal/csrf_failure.html", status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without the request there are no context processors: nothing here asks a database that may be what failed.

    What fails between the views, in a middleware, comes here only.
    """
    error = sys.exc_info()[1]
    if cannot_be_asked(error):
        return busy(request, reason(error))
    return HttpResponse(render_to_string("500.html"), status=500)
