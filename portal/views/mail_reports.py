"""Where a mail server hands over reports of mails that did not arrive: the raw mail as body, the key in a header."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from bookings.domain.reports import LONGEST_REPORT, take_report

TAKEN = 202
NO_KEY = 401


@csrf_exempt  # The key is the proof; no browser comes here.
@never_cache
@require_POST
def mail_reports(request: HttpRequest) -> HttpResponse:
    """202 for whatever comes with the key, understood or not: a mail server has no use for our opinion of it."""
    if not settings.REPORT_KEY:
        raise Http404
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.REPORT_KEY}"):
        return HttpResponse(status=NO_KEY, headers={"WWW-Authenticate": "Bearer"})
    # Not request.body, which takes no more than a form may have.
    take_report(request.read(LONGEST_REPORT), now=timezone.now())
    return HttpResponse(status=TAKEN)
