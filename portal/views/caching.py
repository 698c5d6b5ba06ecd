"""How long pages that are the same for everybody may be kept by whoever hands them on."""

from django.views.decorators.cache import cache_control

# Long enough to break a rush, short enough that nobody sees it.
kept_for_a_second = cache_control(public=True, max_age=1)
# What changes with a release only.
kept_for_minutes = cache_control(public=True, max_age=300)
# A form holds what somebody typed.
kept_by_nobody = cache_control(private=True, no_store=True)
