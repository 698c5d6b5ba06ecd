"""The address that a mail gives its party."""

from django.conf import settings
from django.urls import reverse
from django.utils import translation

from bookings.models import Party


def party_link(party: Party, *, language: str | None = None) -> str:
    """The address of the party's page with the token that opens it, in the party's language unless another is asked."""
    with translation.override(language or party.language):
        path = reverse("visit_link", kwargs={"code": party.code, "token": party.link_token})
    return settings.SITE_URL.rstrip("/") + path


def stop_link(party: Party) -> str:
    """The address that ends announcements: a page with a button for people, one press for mail programs."""
    with translation.override(party.language):
        path = reverse("stop_mail", kwargs={"code": party.code, "token": party.stop_token})
    return settings.SITE_URL.rstrip("/") + path
