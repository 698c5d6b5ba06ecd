"""What the clock causes: scans over what is due. Running one twice, late or from two schedulers changes nothing."""

from celery import shared_task
from django.utils import timezone

from bookings import outbox
from bookings.domain import announcements, reconfirming, reminders, retention, sessions, swaps, waitlist
from bookings.models import Heartbeat


@shared_task(name="bookings.deliver_due", ignore_result=True)
def deliver_due() -> None:
    if outbox.send_a_slice(now=timezone.now()):
        outbox.nudge()


@shared_task(name="bookings.lapse_offers", ignore_result=True)
def lapse_offers() -> None:
    waitlist.lapse_offers(now=timezone.now())


@shared_task(name="bookings.serve_lines", ignore_result=True)
def serve_lines() -> None:
    waitlist.serve_waiting_lines(now=timezone.now())


@shared_task(name="bookings.exchange_met_wishes", ignore_result=True)
def exchange_met_wishes() -> None:
    swaps.exchange_met_wishes(now=timezone.now())


@shared_task(name="bookings.plan_reminders", ignore_result=True)
def plan_reminders() -> None:
    reminders.plan_reminders(now=timezone.now())


@shared_task(name="bookings.ask_who_is_coming", ignore_result=True)
def ask_who_is_coming() -> None:
    now = timezone.now()
    reconfirming.plan_asks(now=now)
    reconfirming.release_silent(now=now)


@shared_task(name="bookings.owe_announcements", ignore_result=True)
def owe_announcements() -> None:
    announcements.owe_announcements(now=timezone.now())


@shared_task(name="bookings.close_lines", ignore_result=True)
def close_lines() -> None:
    now = timezone.now()
    waitlist.close_lines(now=now)
    waitlist.end_lines_of_visitors(now=now)


@shared_task(name="bookings.drop_unproven", ignore_result=True)
def drop_unproven() -> None:
    waitlist.drop_unproven(now=timezone.now())


@shared_task(name="bookings.end_first_calls", ignore_result=True)
def end_first_calls() -> None:
    sessions.end_first_calls(now=timezone.now())


@shared_task(name="bookings.erase_due", ignore_result=True)
def erase_due() -> None:
    retention.erase_due(now=timezone.now())


@shared_task(name="bookings.heartbeat", ignore_result=True)
def heartbeat() -> None:
    Heartbeat.objects.update_or_create(name="clock", defaults={"seen_at": timezone.now()})
