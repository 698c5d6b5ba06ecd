"""How the waiting room stands, for the pages of staff."""

from django import template
from django.conf import settings
from django.utils import timezone

from portal.waiting_room.line import Standing, standing
from portal.waiting_room.tickets import seconds

register = template.Library()


@register.simple_tag
def waiting_room() -> Standing | None:
    """Of the whole site; None while nobody waits."""
    return standing(now=seconds(timezone.now())) if settings.WAITING_ROOM != "off" else None
