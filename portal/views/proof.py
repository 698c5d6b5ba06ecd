"""The work that the sign-up form is to show, where the operator asks for it."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from portal.forms.proof import challenge
from portal.forms.stamp import read_stamp
from portal.views.caching import kept_by_nobody


@require_safe
@kept_by_nobody
def proof(_request: HttpRequest, stamp: str) -> HttpResponse:
    if read_stamp(stamp) is None:
        raise Http404
    return JsonResponse(challenge(stamp))
