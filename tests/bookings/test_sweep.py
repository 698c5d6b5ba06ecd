import os
import signal

import pytest
from celery import shared_task
from django.core.management import call_command
from django.core.management.base import CommandError

ran: list[str] = []


@shared_task(name="tests.often")
def often() -> None:
    ran.append("often")
    if ran.count("often") == 3:
        os.kill(os.getpid(), signal.SIGTERM)


@shared_task(name="tests.fails")
def fails() -> None:
    ran.append("fails")
    raise RuntimeError("this is the test's")


@pytest.fixture
def own_signal_handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signal_handlers")
@pytest.mark.django_db(transaction=True)
def test_the_sweep_calls_each_task_at_its_interval_and_survives_one_that_fails(settings):
    ran.clear()
    settings.CELERY_BEAT_SCHEDULE = {
        "often": {"task": "tests.often", "schedule": 0.05},
        "fails": {"task": "tests.fails", "schedule": 3600.0},
    }
    call_command("sweep")
    assert sorted(ran) == ["fails", "often", "often", "often"]


def test_a_schedule_that_names_an_unknown_task_is_refused(settings):
    settings.CELERY_BEAT_SCHEDULE = {"x": {"task": "tests.unknown", "schedule": 1.0}}
    with pytest.raises(CommandError, match=r"tests\.unknown"):
        call_command("sweep")
