"""Whether somebody works, for the pages of staff."""

from django import template
from django.utils import timezone

from bookings.admin.standing import Machinery
from bookings.admin.standing import machinery as how_it_stands

register = template.Library()


@register.simple_tag
def machinery() -> Machinery:
    return how_it_stands(now=timezone.now())
