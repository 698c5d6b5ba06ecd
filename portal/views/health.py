"""Whether the portal is well, in plain text for machines.

`/healthz` is for who routes visitors to web processes, `/healthz/clock` for who is called at night.
A clock that stands still delays mail but stops no sign-up, so it must not take the pages away from visitors.
"""

from datetime import datetime, timedelta

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bookings.models import Heartbeat

CLOCK = "clock"
# A clock not seen for this long stands still; hosts see the same in the admin site.
STANDS_STILL = timedelta(minutes=2)


@never_cache
@require_safe
def health(_request: HttpRequest) -> HttpResponse:
    """200 while the database answers; tells the clock's age beside it."""
    try:
        seen_at = _clock_seen_at()
    except Error:
        return _answer("database: no answer", status=503)
    return _answer("database: ok", _clock_words(seen_at, now=timezone.now()), status=200)


@never_cache
@require_safe
def clock(_request: HttpRequest) -> HttpResponse:
    """200 while the worker's clock was seen in the last two minutes."""
    now = timezone.now()
    try:
        seen_at = _clock_seen_at()
    except Error:
        return _answer("database: no answer", status=503)
    ticks = seen_at is not None and now - seen_at < STANDS_STILL
    return _answer(_clock_words(seen_at, now=now), status=200 if ticks else 503)


def _clock_seen_at() -> datetime | None:
    return Heartbeat.objects.filter(name=CLOCK).values_list("seen_at", flat=True).first()


def _clock_words(seen_at: datetime | None, *, now: datetime) -> str:
    if seen_at is None:
        return "clock: never seen"
    stands_still = " (stands still)" if now - seen_at >= STANDS_STILL else ""
    return f"clock: {max(0, int((now - seen_at).total_seconds()))} s ago{stands_still}"


def _answer(*lines: str, status: int) -> HttpResponse:
    return HttpResponse("".join(f"{line}\n" for line in lines), status=status, content_type="text/plain; charset=utf-8")
