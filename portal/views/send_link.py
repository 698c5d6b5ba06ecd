"""Send me my link again: the answer is the same whether or not the address is known."""

from email.utils import parseaddr

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from bookings.domain.visit import send_link_again
from portal.forms.send_link import SendLinkForm
from portal.views.answers import see_other
from portal.views.caching import kept_by_nobody, kept_for_a_second


@require_http_methods(["GET", "HEAD", "POST"])
@kept_by_nobody
def send_link(request: HttpRequest) -> HttpResponse:
    form = SendLinkForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        send_link_again(form.cleaned_data["email"], now=timezone.now())
        return see_other("send_link_asked")
    return render(request, "portal/send_link.html", {"form": form}, status=422 if form.is_bound else 200)


@require_safe
@kept_for_a_second
def send_link_asked(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/send_link_asked.html", {"sender": parseaddr(settings.MAIL_FROM)[1]})
