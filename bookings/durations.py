"""How long it is until something ends, in words."""

from datetime import datetime
from typing import Any

from django.utils.timesince import timeuntil
from django.utils.translation import gettext, ngettext_lazy, pgettext

# Django's own words, said again: in Chinese they read like dates (“2 月” is February).
TIME_STRINGS: dict[str, Any] = {
    "year": ngettext_lazy("%(num)d year", "%(num)d years", "num"),
    "month": ngettext_lazy("%(num)d month", "%(num)d months", "num"),
    "week": ngettext_lazy("%(num)d week", "%(num)d weeks", "num"),
    "day": ngettext_lazy("%(num)d day", "%(num)d days", "num"),
    "hour": ngettext_lazy("%(num)d hour", "%(num)d hours", "num"),
    "minute": ngettext_lazy("%(num)d minute", "%(num)d minutes", "num"),
}


def time_left(until: datetime, *, now: datetime) -> str:
    """“1 day, 2 hours” · 「1 天 2 小时」: at most two units, rounded down, so never more than is left."""
    told = timeuntil(until, now, time_strings=TIME_STRINGS)
    return told.replace(gettext(", "), pgettext("between days and hours", ", "))
