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
