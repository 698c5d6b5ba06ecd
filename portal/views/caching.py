"""Pages that are the same for everybody: we keep them (portal/page_cache.py), and whoever hands them on may do so too.

They travel compressed, which is safe here and only here: a page without a form holds nothing secret that its length
could give away.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.cache import patch_cache_control

from portal.page_cache import KEEPABLE, MARK, narrowed

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponse]


def kept_for_a_second(view: View[Arguments]) -> View[Arguments]:
    """Long enough to break a rush, short enough that nobody sees it."""
    return _kept(view, seconds=1, max_age=1)


def kept_for_minutes(view: View[Arguments]) -> View[Arguments]:
    """For what changes with a release only, or by the hand of a host who can wait."""
    return _kept(view, seconds=10, max_age=300)


def kept_until_it_changes(view: View[Arguments]) -> View[Arguments]:
    """For what programs ask for again and again: within minutes from their cache, then by its ETag."""
    return _kept(view, seconds=10, max_age=300)


def kept_by_nobody(view: View[Arguments]) -> View[Arguments]:
    """A form holds what somebody typed. In place of a form there may stand a page for everybody."""

    @wraps(view)
    def answer(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if MARK not in response:
            patch_cache_control(response, private=True, no_store=True)
        return response

    return answer


def mark_as_kept(request: HttpRequest, response: HttpResponse, *, seconds: int = 1, max_age: int = 1) -> HttpResponse:
    """``seconds`` is how long we keep it, ``max_age`` how long others may."""
    query = request.META.get("QUERY_STRING", "")
    # A query that nothing here reads may still stand in a link of the page.
    if query != narrowed(query):
        return response
    patch_cache_control(response, public=True, max_age=max_age)
    if response.status_code in KEEPABLE:
        response[MARK] = str(seconds)
    return response


def _kept(view: View[Arguments], *, seconds: int, max_age: int) -> View[Arguments]:
    @wraps(view)
    def answer(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        _forget_what_is_not_read(request)
        return mark_as_kept(request, view(request, *args, **kwargs), seconds=seconds, max_age=max_age)

    # Read before the view is called, so that of many who ask one has the page made.
    vars(answer)["keeps_pages"] = True
    return answer


def _forget_what_is_not_read(request: HttpRequest) -> None:
    """Or the query of whoever came first would stand in the links of everybody's page."""
    query = narrowed(request.META.get("QUERY_STRING", ""))
    request.META["QUERY_STRING"] = query
    request.GET = QueryDict(query)
