"""Pages that are the same for everybody: whoever hands them on may keep them, and they travel compressed.

Compressing is safe here and only here: a page without a form holds nothing secret that its length could give away.
"""

from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import conditional_page

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponse]


def kept_for_a_second(view: View[Arguments]) -> View[Arguments]:
    """Long enough to break a rush, short enough that nobody sees it."""
    return gzip_page(cache_control(public=True, max_age=1)(view))


def kept_for_minutes(view: View[Arguments]) -> View[Arguments]:
    """For what changes with a release only."""
    return gzip_page(cache_control(public=True, max_age=300)(view))


def kept_until_it_changes(view: View[Arguments]) -> View[Arguments]:
    """For what programs ask for again and again: within minutes from the cache, then by its ETag."""
    return gzip_page(cache_control(public=True, max_age=300)(conditional_page(view)))


# A form holds what somebody typed.
kept_by_nobody = cache_control(private=True, no_store=True)
