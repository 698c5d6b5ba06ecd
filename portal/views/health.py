"""Whether the portal is well, in plain text for machines.

`/healthz` is for who routes visitors to web processes, `/healthz/clock` and `/healthz/mail` for who is called at night.
A clock or a mail server that stands still delays mail but stops no sign-up, so neither must take the pages away from
visitors.
"""

from datetime import datetime, timedelta

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bookings import outbox
from bookings.models import Heartbeat, Lane

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


@never_cache
@require_safe
def mail(_request: HttpRequest) -> HttpResponse:
    """200 while the clock ticks, the mail server takes mail and no lane waits for longer than it may: the cases in
    which hosts see a red banner."""
    now = timezone.now()
    try:
        seen_at, silent = _clock_seen_at(), outbox.mail_server_is_silent(now)
        waiting, late = outbox.oldest_waiting(now), outbox.late_lanes(now)
    except Error:
        return _answer("database: no answer", status=503)
    ticks = seen_at is not None and now - seen_at < STANDS_STILL
    return _answer(
        _clock_words(seen_at, now=now),
        "mail server: takes nothing" if silent else "mail server: ok",
        *(_lane_words(lane, waiting.get(lane), now=now, is_late=lane in late) for lane in Lane),
        status=200 if ticks and not silent and not late else 503,
    )


def _lane_words(lane: Lane, since: datetime | None, *, now: datetime, is_late: bool) -> str:
    if since is None:
        return f"{lane.name.lower()}: nothing waits"
    return f"{lane.name.lower()}: waits {int((now - since).total_seconds())} s{' (late)' if is_late else ''}"


def _clock_seen_at() -> datetime | None:
    return Heartbeat.objects.filter(name=CLOCK).values_list("seen_at", flat=True).first()


def _clock_words(seen_at: datetime | None, *, now: datetime) -> str:
    if seen_at is None:
        return "clock: never seen"
    stands_still = " (stands still)" if now - seen_at >= STANDS_STILL else ""
    return f"clock: {max(0, int((now - seen_at).total_seconds()))} s ago{stands_still}"


def _answer(*lines: str, status: int) -> HttpResponse:
    return HttpResponse("".join(f"{line}\n" for line in lines), status=status, content_type="text/plain; charset=utf-8")
