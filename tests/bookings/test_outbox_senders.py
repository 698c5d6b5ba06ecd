"""Who hands mail over, how much of it at a time, and what a server that fails does to the rest."""

import asyncio
import os
import smtplib
import subprocess
import threading
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from bookings import outbox
from bookings.models import UNPROVEN_KINDS, Breaker, Lane, Notice, NoticeKind, NoticeStatus, Sender
from bookings.outbox import claims, delivery, senders, workers
from bookings.outbox.breaker import mails_allowed
from tests.costs import all_pages_of, taken_back
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    make_booking,
    make_house,
    make_offered,
    make_party,
    make_sign_up,
    make_waiting,
)
from tests.owed import MINUTE, SECOND, breaker_now, in_threads, owe, owe_confirmation, owe_link, owe_reminders, state
from tests.smtp import MailServer

pytestmark = pytest.mark.django_db(transaction=True)


# --- the line to the server


def test_a_line_that_the_server_closed_between_two_mails_costs_no_try(office: MailServer) -> None:
    office.mails_a_line = 2
    notices = [owe_confirmation() for _ in range(5)]

    assert outbox.deliver_due(NOON) == 5

    assert [state(notice) for notice in notices] == [("sent", 1, "")] * 5
    assert (office.connections, set(office.handed_over().values())) == (3, {1})


def test_a_server_that_refuses_three_mails_in_a_row_is_asked_no_more(
    office: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    office.data_answer = "554 5.7.1 not from you"
    notices = [owe_confirmation() for _ in range(5)]

    outbox.deliver_due(NOON)

    why = "refused at text: 554 5.7.1"
    assert [state(notice)[:2] for notice in notices] == [("queued", 1)] * 3 + [("queued", 0)] * 2
    assert breaker_now()[1:] == (why, None)
    assert f"The mail server takes nothing ({why})" in caplog.text


@pytest.mark.parametrize(
    ("stood", "written"),
    [
        ({"last_taken_at": NOON - SECOND}, 0),
        ({"last_taken_at": NOON - MINUTE}, 1),
        ({"last_taken_at": NOON - SECOND, "strikes": 1}, 1),
        ({"last_taken_at": None}, 1),
    ],
    ids=["just now", "a minute ago", "after a failure", "never"],
)
@pytest.mark.usefixtures("office")
def test_what_the_server_took_is_written_again_only_where_it_tells_something(
    stood: dict[str, Any], written: int
) -> None:
    Breaker.objects.create(pk=1, **stood)
    owe_confirmation()
    with CaptureQueriesContext(connection) as queries:
        assert outbox.deliver_due(NOON) == 1
    updates = [query for query in queries if 'UPDATE "bookings_breaker"' in query["sql"]]
    row = Breaker.objects.get()
    assert (len(updates), row.strikes, row.opened_at) == (written, 0, None)


@pytest.mark.parametrize("taken", [NOON - SECOND, None], ids=["just now", "never"])
def test_failures_with_mails_taken_between_them_are_not_in_a_row(office: MailServer, taken: datetime | None) -> None:
    """Twenty are claimed at a time; the first fails, then nineteen are taken, then two fail."""
    Breaker.objects.create(pk=1, last_taken_at=taken)
    notices = [owe_confirmation() for _number in range(24)]
    refused = [notices[number].party.email for number in (0, 20, 21)]
    office.refused_recipients = dict.fromkeys(refused, "554 5.7.1 wants nothing from you")
    outbox.deliver_due(NOON)
    assert (breaker_now()[0], len(office.taken)) == (None, 21)


def test_one_mail_that_is_refused_again_and_again_ends_as_a_bounce_and_stops_nobody(office: MailServer) -> None:
    suspect = owe_confirmation()
    office.refused_recipients = {suspect.party.email: "554 5.7.1 wants nothing from you"}
    now = NOON

    for _ in range(8):
        outbox.deliver_due(now)
        suspect.refresh_from_db()
        now = suspect.next_attempt_at + SECOND

    assert state(suspect) == ("bounced", 8, "refused at recipient: 554 5.7.1")
    assert breaker_now() == (None, "", None)


def test_what_the_server_takes_in_between_ends_the_count(office: MailServer) -> None:
    notices = [owe_confirmation(next_attempt_at=NOON + number * SECOND) for number in range(6)]
    office.refused_recipients = {notices[number].party.email: "554 no" for number in (0, 1, 3, 4)}

    assert outbox.deliver_due(NOON + MINUTE) == 2

    assert breaker_now()[:2] == (None, "")


def test_a_probe_that_finds_nothing_to_say_tries_the_next(office: MailServer) -> None:
    expired = owe_confirmation(expires_at=NOON)
    good = owe_confirmation()
    Breaker.objects.create(pk=1, opened_at=NOON - HOUR, probe_at=NOON, why="for the test")

    assert outbox.deliver_due(NOON) == 1
    assert (state(expired)[0], state(good)[0], breaker_now()[0]) == ("expired", "sent", None)


def test_a_probe_that_finds_nobody_at_an_address_tries_the_next(office: MailServer) -> None:
    nobody = [owe(NoticeKind.PROVE, make_sign_up(email=f"nobody{number}@visitors.example")) for number in range(5)]
    office.refused_recipients = {notice.party.email: "550 5.1.1 unknown" for notice in nobody}
    good = [owe_confirmation() for _ in range(2)]
    Breaker.objects.create(pk=1, opened_at=NOON - HOUR, probe_at=NOON, why="for the test")

    assert outbox.deliver_due(NOON) == 2
    assert [state(notice)[0] for notice in (*nobody, *good)] == ["bounced"] * 5 + ["sent"] * 2
    assert breaker_now()[0] is None


def test_while_the_server_is_away_what_nobody_needs_any_more_is_settled_without_it(
    office: MailServer,
) -> None:
    office.stop()
    expired, untrue = owe_confirmation(expires_at=NOON), owe(NoticeKind.OFFER, make_booking())
    needed = owe_confirmation()

    assert outbox.deliver_due(NOON) == 0

    assert [state(notice)[:2] for notice in (expired, untrue, needed)] == [("expired", 0), ("void", 0), ("queued", 0)]
    assert breaker_now()[0] is not None
    later = owe_confirmation(expires_at=NOON, created_at=NOON - HOUR, next_attempt_at=NOON - HOUR)
    outbox.deliver_due(NOON + 2 * MINUTE)
    assert state(later) == ("expired", 0, "")


@pytest.mark.parametrize(
    "answer", ["451 4.3.0 queue file write error", "451", "554 5.7.1 not from you", "421 4.7.0 try again later"]
)
def test_a_server_that_refuses_everybody_for_a_day_loses_no_mail(office: MailServer, answer: str) -> None:
    office.data_answer = answer
    notices = [owe_confirmation() for _ in range(4)]

    for number in range(24 * 2):
        outbox.deliver_due(NOON + number * 30 * MINUTE)
    refused = [state(notice)[:2] for notice in notices]
    office.data_answer = ""
    for number in range(2):
        outbox.deliver_due(NOON + DAY + number * 15 * MINUTE)

    assert (refused, len(office.taken)) == ([("queued", 1)] * 3 + [("queued", 0)], 4)
    assert breaker_now()[0] is None


def test_a_mail_that_alone_is_refused_does_not_keep_the_others_from_being_tried(office: MailServer) -> None:
    suspect = owe(NoticeKind.PROVE, make_sign_up(email="wary@visitors.example", offer_expires_at=NOON + 6 * HOUR))
    office.refused_recipients = {suspect.party.email: "554 5.7.1 wants nothing from you"}
    good = owe_confirmation()
    Breaker.objects.create(pk=1, opened_at=NOON - HOUR, probe_at=NOON, why="for the test")

    assert [outbox.deliver_due(NOON), outbox.deliver_due(NOON + MINUTE)] == [0, 1]
    assert (state(suspect)[:2], state(good)[0], breaker_now()[0]) == (("queued", 0), "sent", None)


def test_what_was_tried_while_the_server_was_away_goes_a_minute_after_it_is_back(office: MailServer) -> None:
    office.data_answer = "451 4.3.0 queue file write error"
    tried = [owe_confirmation(next_attempt_at=NOON - number * SECOND) for number in range(4)]
    Breaker.objects.create(pk=1, opened_at=NOON - HOUR, probe_at=NOON, why="for the test")
    for number in range(3):
        outbox.deliver_due(NOON + number * MINUTE)
    office.data_answer = ""

    taken = [outbox.deliver_due(NOON + at) for at in (3 * MINUTE, 4 * MINUTE - SECOND, 4 * MINUTE + SECOND)]

    assert (taken, {state(notice)[0] for notice in tried}) == ([1, 0, 3], {"sent"})
    assert set(office.handed_over().values()) == {1}


def test_a_mail_that_rests_for_itself_is_not_hurried_by_a_server_that_is_back(office: MailServer) -> None:
    busy = owe_confirmation(attempts=3, rests_for_server=True)  # It was tried before, while the server was away.
    office.refused_recipients = {busy.party.email: "452 4.2.2 mailbox full"}
    outbox.deliver_due(NOON)
    rests_until = Notice.objects.get(pk=busy.pk).next_attempt_at
    Breaker.objects.update(opened_at=NOON, probe_at=NOON + MINUTE, why="for the test")
    owe_confirmation()

    assert outbox.deliver_due(NOON + MINUTE) == 1

    busy.refresh_from_db()
    assert (busy.status, busy.next_attempt_at) == (NoticeStatus.QUEUED, rests_until)


def test_mails_of_the_first_lane_that_are_refused_keep_no_other_lane_from_being_tried(office: MailServer) -> None:
    wary = [
        owe(NoticeKind.PROVE, make_sign_up(email=f"wary{number}@visitors.example", offer_expires_at=NOON + DAY))
        for number in range(20)
    ]
    office.refused_recipients = {notice.party.email: "554 5.7.1 wants nothing from you" for notice in wary}
    good = owe_confirmation()
    Breaker.objects.create(pk=1, opened_at=NOON - HOUR, probe_at=NOON, why="for the test")

    taken = sum(outbox.deliver_due(NOON + number * MINUTE) for number in range(5))

    assert (taken, state(good)[0]) == (1, "sent")


def test_a_mail_that_is_told_later_again_and_again_is_set_aside_and_no_bounce(office: MailServer) -> None:
    later = owe_confirmation()
    office.refused_recipients = {later.party.email: "452 4.3.1 no room"}
    now = NOON

    for _ in range(8):
        outbox.deliver_due(now)
        later.refresh_from_db()
        now = later.next_attempt_at + SECOND

    assert state(later) == ("dead", 8, "refused at recipient: 452 4.3.1")


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        pytest.param(5, ("queued", 0, ""), id="before the text"),
        pytest.param(6, ("unknown", 1, "SoftTimeLimitExceeded"), id="with the text on its way"),
    ],
)
def test_time_that_is_up_ends_the_slice_and_not_the_row(
    office: MailServer, monkeypatch: pytest.MonkeyPatch, answers: int, outcome: tuple[str, int, str]
) -> None:
    first, second = (owe(NoticeKind.REMINDER, make_booking(), next_attempt_at=NOON - n * SECOND) for n in (2, 1))
    whole, heard = smtplib.SMTP.getreply, []

    def interrupted(self: smtplib.SMTP) -> Any:
        heard.append(1)
        if len(heard) == answers:
            raise SoftTimeLimitExceeded
        return whole(self)

    monkeypatch.setattr(smtplib.SMTP, "getreply", interrupted)
    outbox.deliver_due(NOON)

    assert (state(first), state(second)) == (outcome, ("queued", 0, ""))
    assert Notice.objects.due(NOON + SECOND).count() == [1, 2][outcome[0] == "queued"]


# --- lanes and slices


def test_an_offer_does_not_wait_behind_five_thousand_reminders(office: MailServer) -> None:
    make_house()
    owe_reminders(5_000)
    offered = make_offered(email="waits@visitors.example")

    def post() -> None:
        owe(NoticeKind.OFFER, offered)
        connection.close()

    def post_an_offer() -> None:
        if len(office.taken) == 90:
            in_threads(1, post)

    office.after_each = post_an_offer
    outbox.deliver_due(NOON, 200)

    assert office.recipients.index(offered.party.email) <= 90 + 20
    assert len(office.taken) == 200


def test_two_workers_never_take_the_same_row() -> None:
    pks = owe_reminders(200)
    together = threading.Barrier(4)
    taken: list[int] = []

    def work() -> None:
        together.wait()
        try:
            while some := claims.claim(20, now=NOON):
                taken.extend(some)
        finally:
            connection.close()

    in_threads(4, work)
    assert sorted(taken) == sorted(pks)


def test_a_mail_costs_a_few_statements_however_many_leave(office: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    make_house()
    monkeypatch.setattr(delivery, "STALE", HOUR)  # What a slow machine would read again is not counted.
    asked = []
    for number in (20, 40):
        owe_reminders(number)
        with CaptureQueriesContext(connection) as captured:
            assert outbox.deliver_due(NOON, 100) == number
        asked.append(len(captured))

    assert (asked[1] - asked[0]) / 20 <= 3.1, asked


def test_a_mail_to_an_address_that_had_none_is_not_asked_for_again_once_it_is_begun(office: MailServer) -> None:
    make_house()
    asked = []
    for number in (2, 12):
        for _ in range(number):
            owe(NoticeKind.PROVE, make_sign_up())
        with CaptureQueriesContext(connection) as captured:
            assert outbox.deliver_due(NOON, 20) == number
        asked.append(len(captured))

    # Begun, its half hour, sent; each proof here is of a session and a season of its own, read at once.
    assert (asked[1] - asked[0]) / 10 <= 3.1, asked


def test_a_lost_row_behind_more_urgent_mail_is_taken_alone_too(office: MailServer) -> None:
    lost = owe_confirmation(status=NoticeStatus.SENDING, lease_until=NOON, next_attempt_at=NOON, attempts=1)
    link, behind = owe_link(), owe_confirmation(next_attempt_at=NOON + SECOND)

    taken = [claims.claim(20, now=NOON + MINUTE) for _ in range(3)]

    assert taken == [[link.pk, behind.pk], [lost.pk], []]


@pytest.mark.parametrize(
    ("attempts", "turn"),
    [pytest.param(0, NOON - HOUR, id="never tried"), pytest.param(5, NOON, id="rested after tries")],
)
def test_a_row_that_goes_back_untouched_keeps_its_turn_and_is_no_later_than_it_was(
    attempts: int, turn: datetime
) -> None:
    notice = owe_link(created_at=NOON - HOUR, next_attempt_at=turn, attempts=attempts)

    assert claims.claim(20, now=NOON) == [notice.pk]
    claims.release([notice.pk], claimed_at=NOON)

    notice.refresh_from_db()
    assert (notice.status, notice.attempts, notice.next_attempt_at) == ("queued", attempts, turn)


@pytest.mark.postgres
def test_looking_for_mail_reads_no_row_that_is_not_due() -> None:
    owe_reminders(20)
    owe(NoticeKind.OFFER, make_offered())
    Breaker.now_standing()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bookings_notice (kind, party_id, booking_id, dedupe_key, lane, facts, status, attempts,"
            " created_at, next_attempt_at, times_begun, message_id, last_error)"
            " SELECT kind, party_id, booking_id, 'later:' || number, lane, facts, status, 0,"
            " created_at, created_at + interval '9 days', 0, '', ''"
            " FROM bookings_notice, generate_series(1, 100000) AS number WHERE kind = 'offer'"
        )
        cursor.execute("ANALYZE bookings_notice")
    costs = {
        "look": cost_of_notices(lambda: senders.is_mail_due(now=NOON - DAY)),
        "claim": cost_of_notices(lambda: claims.claim(20, now=NOON)),
    }
    # The beginning of a range of an index a lane, and the row of the mail server, on which the look hangs.
    assert costs["look"] <= len(Lane) * 5 + 1
    # Twenty rows are found, read and written again, each with its indexes.
    assert costs["claim"] <= 20 * 30


def cost_of_notices(act: Any) -> int:
    """Pages that the statements of an act read and write, by the plan that was carried out."""
    with taken_back(), CaptureQueriesContext(connection) as captured:
        act()
    asked = [query["sql"] for query in captured if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    with taken_back(), connection.cursor() as cursor:
        pages = 0
        for sql in asked:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
            pages += all_pages_of(cursor.fetchone()[0][0]["Plan"])
    return pages


# --- slots


def test_a_slice_takes_a_slot_and_gives_it_back(office: MailServer) -> None:
    notice = owe_confirmation(next_attempt_at=timezone.now())

    assert senders.send_a_slice(now=timezone.now()) is False

    assert state(notice)[0] == "sent"
    assert list(Sender.objects.values_list("number", "busy_until")) == [(1, None)]


def test_a_mail_that_waits_for_an_older_one_of_its_party_wakes_nobody(office: MailServer) -> None:
    now, booking = timezone.now(), make_booking()
    owe(NoticeKind.CONFIRMED, booking, calendar_sequence=0, next_attempt_at=now + 4 * MINUTE, attempts=3)
    owe(NoticeKind.CHANGED, booking, calendar_sequence=1, next_attempt_at=now)

    assert senders.is_mail_due(now=now) is False
    assert senders.is_mail_due(now=now + 4 * MINUTE) is True


@pytest.mark.parametrize("leaves", [True, False])
def test_a_slice_of_which_nothing_left_leaves_the_rest_to_the_clock(
    leaves: bool, office: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "SLICE_OF", 1)
    if not leaves:
        office.recipient_answer = "450 4.2.1 later"
    now = timezone.now()
    for number in (2, 1):
        owe_confirmation(next_attempt_at=now - number * SECOND)

    assert senders.send_a_slice(now=now) is leaves
    assert len(office.taken) == int(leaves)


def test_a_slot_that_was_given_back_even_by_a_failure_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    owe_confirmation(next_attempt_at=timezone.now())
    monkeypatch.setattr(smtplib.SMTP, "__init__", ZeroDivisionError)

    with suppress(ZeroDivisionError):
        senders.send_a_slice(now=timezone.now())

    assert list(Sender.objects.values_list("number", "busy_until")) == [(1, None)]


@pytest.mark.parametrize(("seconds_ago", "slots"), [(None, 1), (60, 1), (5, 2)])
def test_the_second_sender_helps_only_while_mail_leaves(
    seconds_ago: int | None, slots: int, settings: Settings
) -> None:
    settings.MAIL_SENDERS = 2
    last = NOON - timedelta(seconds=seconds_ago) if seconds_ago else None
    breaker = Breaker.objects.create(pk=1, last_taken_at=last)

    with ExitStack() as stack:
        taken = [stack.enter_context(senders._slot(breaker, now=NOON)) for _ in range(3)]
        assert taken == [True, slots == 2, False]


@pytest.mark.parametrize(
    ("since", "is_free"),
    [
        pytest.param(senders.SLOT - SECOND, False, id="still at work"),
        pytest.param(senders.SLOT, True, id="lost with its worker"),
        pytest.param(-SECOND, False, id="the clock of its worker is ahead"),
        pytest.param(-2 * HOUR, True, id="the clock was put back"),
    ],
)
def test_a_slot_is_kept_while_its_worker_may_live(since: timedelta, is_free: bool) -> None:
    Sender.objects.create(number=1, busy_until=NOON + senders.SLOT)

    with senders._slot(Breaker.objects.create(pk=1), now=NOON + since) as taken:
        assert taken is is_free


def test_the_slot_of_a_worker_that_is_known_to_be_gone_is_free_at_once() -> None:
    breaker = Breaker.objects.create(pk=1)
    machine = workers.this_worker().rpartition("/")[0]
    with subprocess.Popen(["sleep", "60"]) as worker:
        slot = Sender.objects.create(number=1, busy_until=NOON + senders.SLOT, worker=f"{machine}/{worker.pid}")
        with senders._slot(breaker, now=NOON) as taken:
            assert taken is False

        worker.kill()
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # Nobody has asked yet how it ended.
        with senders._slot(breaker, now=NOON) as taken:
            assert taken is True

    slot.worker, slot.busy_until = f"{machine}/{worker.pid}", NOON + senders.SLOT
    slot.save()
    with senders._slot(breaker, now=NOON + SECOND) as taken:
        assert taken is True
        with senders._slot(breaker, now=NOON + SECOND) as again:
            assert again is False

    slot.worker, slot.busy_until = f"another/{worker.pid}", NOON + senders.SLOT
    slot.save()
    with senders._slot(breaker, now=NOON) as taken:
        assert taken is False


def test_a_slot_outlives_the_longest_that_a_worker_may_take(settings: Settings) -> None:
    assert timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT) < senders.SLOT <= timedelta(minutes=2)


@pytest.mark.parametrize(
    ("since", "tries"),
    [
        pytest.param(59 * SECOND, 0, id="within the minute"),
        pytest.param(MINUTE, 1, id="after a minute"),
        pytest.param(-SECOND, 0, id="the clock of another worker is ahead"),
        pytest.param(-2 * HOUR, 1, id="the clock was put back"),
    ],
)
def test_a_server_that_takes_nothing_is_tried_once_a_minute_whatever_the_clock_did(
    since: timedelta, tries: int
) -> None:
    breaker = Breaker.objects.create(pk=1, opened_at=NOON, probe_at=NOON + MINUTE)
    now = NOON + since

    assert breaker.may_be_tried(now) is bool(tries)
    assert [mails_allowed(20, now=now) for _ in range(2)] == [tries, 0]


def test_while_the_server_takes_nothing_no_sender_is_held(office: MailServer) -> None:
    owe_confirmation(next_attempt_at=timezone.now())
    Breaker.objects.create(pk=1, opened_at=timezone.now(), probe_at=timezone.now() + MINUTE)

    assert senders.send_a_slice(now=timezone.now()) is False
    assert (Sender.objects.count(), office.connections) == (0, 0)


# --- caps


def test_an_address_gets_at_most_eight_unproven_mails_a_day(office: MailServer) -> None:
    for number in range(10):
        owe_link(next_attempt_at=NOON + number * SECOND)
    sent = [outbox.deliver_due(NOON + number * 61 * MINUTE) for number in range(1, 5)]

    assert sent == [3, 3, 2, 0]
    first = Notice.objects.order_by("begun_at").filter(begun_at__isnull=False).first()
    assert first
    assert first.begun_at
    waiting = Notice.objects.filter(status=NoticeStatus.QUEUED)
    assert list(waiting.values_list("next_attempt_at", "attempts")) == [(first.begun_at + DAY, 0)] * 2


def test_tries_whose_fate_is_unknown_count_against_the_cap(office: MailServer) -> None:
    office.hang_up = True
    notice = owe(NoticeKind.PROVE, make_sign_up(offer_expires_at=NOON + 6 * HOUR))

    for number in range(60):
        outbox.deliver_due(NOON + number * MINUTE)

    assert len(office.taken) == 3
    assert state(notice)[:2] == ("queued", 3)


def test_of_four_workers_with_the_last_mail_of_the_hour_one_sends_at_most_minutes_later(office: MailServer) -> None:
    for _ in range(2):
        owe_link(status=NoticeStatus.SENT, sent_at=NOON, begun_at=NOON, times_begun=1)
    for _ in range(4):
        owe_link()
    office.meet = asyncio.Barrier(4)

    def work() -> None:
        try:
            outbox.deliver_due(NOON + MINUTE, 1)
        finally:
            connection.close()

    in_threads(4, work)
    assert len(office.taken) <= 1

    office.meet = None
    for minutes in (3, 5):
        outbox.deliver_due(NOON + minutes * MINUTE)
    assert len(office.taken) == 1


def unproven(number: int, **given: Any) -> None:
    """Mails to as many addresses that nobody has proven, begun half an hour ago."""
    begun: dict[str, Any] = {"begun_at": NOON - 30 * MINUTE, "times_begun": 1, "sent_at": NOON - 30 * MINUTE}
    for _ in range(number):
        owe(NoticeKind.IN_LINE, party=make_party(proven=False), **{"status": NoticeStatus.SENT} | begun | given)


@pytest.mark.parametrize(
    ("sent", "bounced", "most", "rests"),
    [(40, 10, 100, False), (39, 11, 100, True), (38, 11, 100, False), (4, 0, 5, False), (5, 0, 5, True)],
)
def test_mails_to_unproven_addresses_rest_when_too_many_or_too_many_come_back(
    sent: int,
    bounced: int,
    most: int,
    rests: bool,
    office: MailServer,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.MAIL_UNPROVEN_AN_HOUR = most
    unproven(sent)
    unproven(bounced, status=NoticeStatus.BOUNCED)
    proof, news = owe(NoticeKind.PROVE, make_sign_up()), owe_confirmation()

    outbox.deliver_due(NOON)

    assert (state(proof)[:2], state(news)[0]) == ((("queued", 0) if rests else ("sent", 1)), "sent")
    assert ("Mails to unproven addresses rest" in caplog.text) == rests
    if rests:
        assert NOON + 10 * MINUTE <= proof.next_attempt_at <= NOON + 11 * MINUTE


@pytest.mark.parametrize("kind", sorted(UNPROVEN_KINDS))
def test_a_mail_to_an_unproven_address_holds_the_lead_s_name_and_nothing_else_that_was_typed(
    office: MailServer, kind: NoticeKind
) -> None:
    typed: dict[str, Any] = {
        "phone": "canary-phone",
        "access_needs": "canary-needs",
        "companions": ["Canary Companion"],
    }
    make = make_waiting if kind == NoticeKind.IN_LINE else make_sign_up
    booking = make(lead_name="Lin <b>Xiaoyun</b>\nhttps://evil.example", proven=False, **typed)
    owe(kind, booking)

    assert outbox.deliver_due(NOON) == 1

    parts = [str(part.get_content()) for part in office.taken[0].walk() if part.get_content_maintype() == "text"]
    said = " ".join([office.taken[0]["Subject"], *parts]).casefold()
    assert not {word for word in ("canary", "evil.example", "<b>xiaoyun") if word in said}
