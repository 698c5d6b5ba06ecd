"""Answers that several pages give."""

from django.http import HttpResponseRedirect
from django.urls import reverse


class SeeOther(HttpResponseRedirect):
    """What was sent is done: look at this page now, and do not send it again."""

    status_code = 303


def see_other(name: str, **where: str | int) -> SeeOther:
    return SeeOther(reverse(name, kwargs=where))
