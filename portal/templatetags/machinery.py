"""Whether somebody works, for the pages of staff."""

from django import template
from django.db.models import QuerySet
from django.utils import timezone

from bookings.admin.standing import Machinery
from bookings.admin.standing import machinery as how_it_stands
from bookings.models import Season

register = template.Library()


@register.simple_tag
def machinery() -> Machinery:
    return how_it_stands(now=timezone.now())


@register.simple_tag
def seasons_at_work() -> QuerySet[Season]:
    """Those with a session still to come, called off or not."""
    return Season.objects.filter(sessions__ends_at__gte=timezone.now()).distinct()
