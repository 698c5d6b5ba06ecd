"""Answers that several pages give."""

from django.http import HttpResponse
from django.urls import reverse

SEE_OTHER = 303


def see_other(name: str, **where: str | int) -> HttpResponse:
    """What was sent is done: look at this page now, and do not send it again."""
    return HttpResponse(status=SEE_OTHER, headers={"Location": reverse(name, kwargs=where)})
