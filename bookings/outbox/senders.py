"""Who hands mail over, and when: a few slots that a nudge or the clock fills for a moment, again and again.

However many wake them, no more than ``MAIL_SENDERS`` work at a time, so that mail never takes all workers from the
clock, and the beat's frequent call costs next to nothing.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

from celery import shared_task
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from bookings.models import Breaker, Sender
from bookings.outbox.delivery import deliver_due
from bookings.outbox.order import look
from bookings.outbox.workers import is_gone, this_worker

logger = logging.getLogger(__name__)

# A sender works so long, then gives the worker back; what is still owed wakes the next one.
SLICE_SECONDS = 2.0
SLICE_OF = 1_000
# A slot that was not given back in this time was lost with its worker: no task lives so long, however slow the server
# is, so one slow server never holds two lines. Of a worker of our own machine it is known at once.
SLOT = timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT + 10)
# The slots after the first help only while mail leaves: a server that hangs holds one worker, not all.
HELPS_WITHIN = timedelta(seconds=10)
NUDGE_EXPIRES = 60
# One that was sent so long ago still finds what is owed now, or the clock does in another half second.
SECONDS_BETWEEN_NUDGES = 1.0


@shared_task(name="bookings.deliver", ignore_result=True)
def deliver(_notice_pk: int | None = None) -> None:
    """What a nudge calls. Which row it was sent for no longer matters: the most urgent goes first."""
    if send_a_slice(now=timezone.now()):
        nudge()


def send_a_slice(*, now: datetime) -> bool:
    """Hand over what is due for a moment, if a slot is free; returns whether it is worth going on at once."""
    looked = look(now=now)
    if not looked.lanes or not looked.server.may_be_tried(now):
        return False
    sent, began = 0, monotonic()
    with _slot(looked.server, now=now) as taken:
        if taken:
            sent = deliver_due(now, limit=SLICE_OF, seconds=SLICE_SECONDS, looked=looked, until_emptied=False)
    # One that ended by itself took all that was due a moment ago; and one of which nothing left may find the same again
    # at once. What is due then waits for the clock.
    if not sent or (sent < SLICE_OF and monotonic() - began < SLICE_SECONDS):
        return False
    after = timezone.now()
    looked = look(now=after)
    return bool(looked.lanes) and looked.server.may_be_tried(after)


def is_mail_due(*, now: datetime) -> bool:
    """One look at the beginning of each lane, for what a claim would take."""
    return bool(look(now=now).lanes)


def nudge() -> None:
    """Wake a worker; only speed depends on it, the clock finds the rows anyway."""
    if not deliver.app.conf.broker_url:
        return
    try:
        deliver.apply_async((), expires=NUDGE_EXPIRES, retry=False, ignore_result=True)
    except Exception as error:
        logger.warning("Mail is owed; no worker could be told (%s)", type(error).__name__)


class Nudged:
    """When this process last woke a worker for a change, by ``monotonic``."""

    at = float("-inf")


def nudge_for_a_change() -> None:
    """Wake a worker, once a second at most: in a rush each sign-up owes mail, and one slice hands over many."""
    at = monotonic()
    if at - Nudged.at >= SECONDS_BETWEEN_NUDGES:
        Nudged.at = at
        nudge()


@contextmanager
def _slot(breaker: Breaker, *, now: datetime) -> Iterator[bool]:
    taken_mail = breaker.last_taken_at is not None and breaker.last_taken_at > now - HELPS_WITHIN
    slots = settings.MAIL_SENDERS if taken_mail else 1
    number = next((number for number in range(1, slots + 1) if _take(number, now=now)), None)
    try:
        yield number is not None
    finally:
        if number is not None:
            Sender.objects.filter(number=number, busy_until=now + SLOT, worker=this_worker()).update(busy_until=None)


def _take(number: int, *, now: datetime) -> bool:
    # Taken by a clock that has been put back since; twice the time, for the clocks of two workers differ a little.
    of_another_time = Q(busy_until__gt=now + 2 * SLOT)
    free = Sender.objects.filter(Q(busy_until=None) | Q(busy_until__lte=now) | of_another_time, number=number)
    taken = {"busy_until": now + SLOT, "worker": this_worker()}
    if free.update(**taken):
        return True
    held = Sender.objects.filter(number=number).first()
    if held is None:
        Sender.objects.bulk_create([Sender(number=number)], ignore_conflicts=True)
    elif is_gone(held.worker):
        free = Sender.objects.filter(number=number, worker=held.worker, busy_until=held.busy_until)
    else:
        return False
    return bool(free.update(**taken))
