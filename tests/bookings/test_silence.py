"""When mail stands still: lanes that wait too long, and a server that takes nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from bookings import outbox
from bookings.models import LANES, Breaker, Lane, Notice, NoticeKind, NoticeStatus
from bookings.outbox.caps import begun_since
from bookings.outbox.order import in_turn
from bookings.outbox.silence import waiting_in
from tests.factories import NOON, make_party

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def owe(kind: NoticeKind = NoticeKind.LINK, *, minutes: float = 0, **values: Any) -> None:
    party = make_party()
    outbox.post(kind, party, key=str(party.pk), now=NOON - minutes * MINUTE)
    Notice.objects.filter(party=party).update(**values)


def test_each_lane_tells_since_when_its_first_mail_has_had_its_turn(django_assert_num_queries: Any):
    owe(NoticeKind.LINK, minutes=3)
    owe(NoticeKind.LINK, minutes=9)
    owe(NoticeKind.CONFIRMED, minutes=10)
    owe(NoticeKind.REMINDER, minutes=-5)  # planned
    owe(NoticeKind.PROVE, minutes=5, status=NoticeStatus.SENT, sent_at=NOON)
    owe(NoticeKind.PROVE, minutes=1, status=NoticeStatus.SENDING, lease_until=NOON + MINUTE)

    with django_assert_num_queries(len(Lane)):
        waiting = outbox.oldest_waiting(NOON)

    assert waiting == {Lane.OFFER: NOON - 9 * MINUTE, Lane.NEWS: NOON - 10 * MINUTE}


@pytest.mark.parametrize(
    ("kind", "minutes", "is_late"),
    [
        (NoticeKind.PROVE, 2, False),
        (NoticeKind.PROVE, 2.1, True),
        (NoticeKind.OFFER, 2.1, True),
        (NoticeKind.CONFIRMED, 15, False),
        (NoticeKind.CONFIRMED, 15.1, True),
        (NoticeKind.REMINDER, 120, False),
        (NoticeKind.REMINDER, 120.1, True),
    ],
)
def test_a_lane_is_late_when_its_first_mail_has_waited_for_longer_than_it_may(
    kind: NoticeKind, minutes: float, is_late: bool
):
    owe(kind, minutes=minutes)
    assert list(outbox.late_lanes(NOON)) == [LANES[kind]] * is_late


@pytest.mark.parametrize(
    ("open_since", "is_silent"), [(None, False), (NOON - MINUTE, False), (NOON - 2 * MINUTE, True)]
)
def test_a_server_is_silent_when_it_has_taken_nothing_for_two_minutes(open_since: datetime | None, is_silent: bool):
    owe()
    Breaker.objects.create(pk=1, opened_at=open_since, probe_at=NOON)
    assert outbox.mail_server_is_silent(NOON) is is_silent


@pytest.mark.parametrize(
    ("values", "is_silent"),
    [
        pytest.param({"status": NoticeStatus.SENT, "sent_at": NOON}, False, id="no mail is owed"),
        pytest.param({"next_attempt_at": NOON + 15 * MINUTE}, False, id="a reminder is planned"),
        pytest.param({"next_attempt_at": NOON + MINUTE}, True, id="one rests for a moment"),
        pytest.param(
            {"next_attempt_at": NOON + 15 * MINUTE, "rests_for_server": True}, True, id="the only one was just tried"
        ),
        pytest.param(
            {"status": NoticeStatus.SENDING, "lease_until": NOON + MINUTE, "next_attempt_at": NOON + MINUTE},
            True,
            id="the only one is just being tried",
        ),
    ],
)
def test_a_server_that_takes_nothing_is_silent_only_while_mail_waits_for_it(values: dict[str, Any], is_silent: bool):
    owe(**values)
    Breaker.objects.create(pk=1, opened_at=NOON - 3 * MINUTE, probe_at=NOON)
    assert outbox.mail_server_is_silent(NOON) is is_silent


def test_a_server_that_was_never_spoken_to_is_not_silent():
    assert outbox.mail_server_is_silent(NOON) is False


@pytest.mark.parametrize(
    ("question", "index"),
    [
        pytest.param(lambda: waiting_in(Lane.OFFER, NOON)[:1], "notice_owed", id="the first of a lane"),
        pytest.param(lambda: Notice.objects.due(NOON).filter(lane=Lane.OFFER)[:20], "notice_owed", id="due"),
        pytest.param(
            lambda: in_turn(Notice.objects.due(NOON).filter(lane=Lane.OFFER), now=NOON)[:20],
            "notice_owed",
            id="what a sender takes",
        ),
        pytest.param(lambda: begun_since(NOON), "notice_unproven_begun", id="what the caps count"),
        pytest.param(lambda: Notice.objects.resting_for_the_server(), "notice_rests_for_server", id="tried in vain"),
    ],
)
def test_what_is_asked_again_and_again_is_found_by_its_own_index(question: Callable[[], QuerySet[Notice]], index: str):
    """SQLite passes a partial index over unless the question says its condition in the same words."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # It reads a table of nothing from end to end, or sorts what it found of nothing.
            for way in ("seqscan", "bitmapscan", "sort"):
                cursor.execute(f"SET LOCAL enable_{way} = off")

    plan = question().explain()

    assert index in plan
    assert not {word for word in ("Sort", "TEMP B-TREE") if word in plan}
