"""No more announcements: one press, from a mail program (RFC 8058) or on the page that the mail links to."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from bookings.domain import announcements
from bookings.models import Party
from portal import limits
from portal.views.caching import kept_by_nobody
from portal.views.refusals import too_many

# What a mail program sends, and the button of the page too.
ONE_CLICK = ("List-Unsubscribe", "One-Click")


@csrf_exempt  # A mail program has no cookie; the token in the address is the proof.
@require_http_methods(["GET", "HEAD", "POST"])
@kept_by_nobody
def stop_mail(request: HttpRequest, code: str, token: str) -> HttpResponse:
    """GET changes nothing, since scanners of mail follow links. POST answers at once: RFC 8058 follows no redirect."""
    party = Party.objects.select_related("season__tour").filter(code=code).first()
    if party is None or not party.stop_token_is(token):
        if wait := limits.after_wrong_link(request, now=timezone.now()):
            return too_many(wait)
        raise Http404
    name, value = ONE_CLICK
    if request.method == "POST" and request.POST.get(name) == value:
        announcements.stop(party.pk, now=timezone.now())
        party.refresh_from_db(fields=["wants_no_news_at"])
    response = render(request, "portal/stop_mail.html", {"party": party})
    response["Referrer-Policy"] = "no-referrer"
    return response
