"""A party that says it is still coming as its silence runs out keeps its places, or hears that they are gone."""

from functools import partial

import pytest

from bookings.domain import reconfirming, visit
from bookings.models import Booking, Heartbeat, Notice, NoticeStatus
from tests.concurrency.threads import at_once
from tests.factories import DAY, START, make_booking, make_season, make_session

pytestmark = pytest.mark.postgres

PARTIES = 60
ASKED_AT = START - 10 * DAY


def ask(*, after: int) -> None:
    now = ASKED_AT + after * DAY
    reconfirming.plan_asks(now=now)
    Notice.objects.filter(status=NoticeStatus.QUEUED).update(status=NoticeStatus.SENT, sent_at=now)


def press_yes(bookings: list[Booking]) -> dict[int, str]:
    """Each party in turn; what became of its press."""
    answers = {}
    for booking in bookings:
        try:
            reconfirming.say_yes(booking.party_id, booking_pk=booking.pk, starts_at=START, now=ASKED_AT + 3 * DAY)
        except visit.NothingConfirmed:
            answers[booking.pk] = "cancelled"
        else:
            answers[booking.pk] = "confirmed"
    return answers


@pytest.mark.usefixtures("postgres")
def test_a_yes_and_a_release_that_meet_never_both_happen():
    session = make_session(season=make_season(asks_again_days=10, releases_silent=True), max_parties=PARTIES)
    bookings = [make_booking(session, size=1) for _party in range(PARTIES)]
    ask(after=0)
    ask(after=2)
    Heartbeat.objects.create(name="reports", seen_at=ASKED_AT + 3 * DAY)

    answers, released = at_once(
        partial(press_yes, bookings[::-1]), partial(reconfirming.release_silent, now=ASKED_AT + 3 * DAY)
    )

    rows = {booking.pk: booking for booking in Booking.objects.filter(session=session)}
    assert {pk: row.status for pk, row in rows.items()} == answers
    assert {(row.status, row.still_coming_at is not None) for row in rows.values()} <= {
        ("confirmed", True),
        ("cancelled", False),
    }
    assert list(answers.values()).count("cancelled") == released
