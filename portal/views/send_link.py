"""Send me my link again: the answer is the same whether or not the address is known."""

from email.utils import parseaddr

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from bookings.domain.visit import send_link_again
from portal import limits
from portal.forms.send_link import SendLinkForm
from portal.views.answers import see_other
from portal.views.caching import kept_by_nobody, kept_for_a_second
from portal.views.refusals import said_to_wait, too_many, too_many_words


@require_http_methods(["GET", "HEAD", "POST"])
@kept_by_nobody
def send_link(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    wait = limits.before_link_is_sent(request, now=now) if request.method == "POST" else 0
    if wait and limits.is_flood(request, now=now):
        return too_many(wait)
    form = SendLinkForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and not wait:
        send_link_again(form.cleaned_data["email"], now=now)
        return see_other("send_link_asked")
    if wait:
        form.add_error(None, too_many_words(wait))
    response = render(request, "portal/send_link.html", {"form": form}, status=422 if form.is_bound else 200)
    return said_to_wait(response, wait) if wait else response


@require_safe
@kept_for_a_second
def send_link_asked(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/send_link_asked.html", {"sender": parseaddr(settings.MAIL_FROM)[1]})
