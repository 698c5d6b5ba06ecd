"""However long a line is, what it costs to serve it stays the same: queries, and rows and pages read."""

from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db.models import Q

from bookings.admin.standing import touched
from bookings.domain import visit, waitlist
from bookings.models import DecisionReason, DecisionTrigger, TourSession, parties_ahead
from bookings.outbox import claims, senders
from tests.acts import ask, submit
from tests.costs import analyze, assert_bounded, cost_of
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_season, make_session
from tests.long_lines import fill_line
from tests.owed import owe_reminders

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

SHORT, LONG = 100, 10_000
# The roster locks two days before the start; the last call begins a day before that.
LAST_CALL = START - 3 * DAY + HOUR


def a_line(waiting: int, *, last: int = 2, capacity: int = 60, free: int = 2, **sizes: Any) -> TourSession:
    """A session with ``free`` places and so many parties in line, the last one of ``last`` people."""
    session = make_session(season=make_season(), capacity=capacity)
    make_booking(session, size=capacity - free)
    fill_line([session], parties=waiting - 1, **sizes)
    fill_line([session], parties=1, size=last)
    analyze()
    session.refresh_from_db()
    assert session.parties_waiting == waiting
    return session


def test_passing_thousands_that_are_too_many_for_the_limit_costs_as_much_as_passing_few():
    costs = []
    for waiting in (SHORT, LONG):
        session = a_line(waiting, last=1, capacity=3, size=3)
        TourSession.objects.filter(pk=session.pk).update(sell_limit=2)
        costs.append(cost_of(partial(serve, session, now=NOON)))
        serve(session, now=NOON)
        assert [decision.reason for decision in session.decisions.all()] == [DecisionReason.OFFERED]
    short, long = costs
    assert_bounded(long, short=short)


@pytest.mark.parametrize("called", [0, 150])
def test_counting_who_is_ahead_costs_the_same_in_a_line_of_ten_thousand(called):
    """Of the last party of each kind, before the last call and in it."""
    costs = []
    for waiting in (3 * SHORT, LONG):
        session = make_session(season=make_season())
        fill_line([session], parties=waiting)
        fill_line([session], parties=called, first_call=True)
        fill_line([session], parties=3 * SHORT, short_notice=True)
        analyze()
        first_call, short_notice = Q(first_call=True), Q(short_notice=True)
        kinds = [short_notice, ~(first_call | short_notice), *([first_call] if called else [])]
        line = session.bookings.select_related("session").order_by("-queue_number")
        last = [line.filter(kind)[0] for kind in kinds]
        costs.append([cost_of(partial(parties_ahead, each, now=now)) for each in last for now in (NOON, LAST_CALL)])
    for short, long in zip(*costs, strict=True):
        assert_bounded(long, short=short, fronts=3)


def test_saying_who_is_touched_by_calling_off_reads_no_more_of_a_line_of_ten_thousand():
    costs = []
    for waiting in (SHORT, LONG):
        session = a_line(waiting)
        costs.append(cost_of(partial(touched, session)))
        assert touched(session) == {
            "confirmed": 1,
            "people": 58,
            "offered": 0,
            "waiting": waiting,
            "mails": waiting + 1,
        }
    short, long = costs
    assert_bounded(long, short=short)


def test_taking_twenty_of_a_mailing_that_is_due_at_one_moment_reads_no_more_of_ten_thousand():
    costs = []
    for owed in (SHORT, LONG):
        owe_reminders(owed, at=NOON)
        analyze()
        look, take = partial(senders.is_mail_due, now=NOON), partial(claims.claim, 20, now=NOON)
        costs.append([cost_of(look), cost_of(take)])
    for short, long in zip(*costs, strict=True):
        assert_bounded(long, short=short)


def serve(session: TourSession, *, now: datetime) -> None:
    waitlist.offer_free_places(session.pk, now=now, trigger=DecisionTrigger.CANCELLED)


@pytest.mark.parametrize(
    ("size", "last", "free", "now", "reason"),
    [
        pytest.param(2, 2, 2, NOON, DecisionReason.OFFERED, id="the head fits"),
        pytest.param(3, 1, 1, NOON, DecisionReason.SAVED, id="saved for the head"),
        pytest.param(3, 1, 1, LAST_CALL, DecisionReason.OFFERED, id="the last fits"),
        pytest.param(3, 3, 2, LAST_CALL, DecisionReason.NO_FIT, id="nobody fits"),
    ],
)
def test_serving_one_freed_place_costs_the_same_in_a_line_of_ten_thousand(size, last, free, now, reason):
    costs = []
    for waiting in (SHORT, LONG):
        session = a_line(waiting, last=last, free=free, size=size)
        costs.append(cost_of(partial(serve, session, now=now)))
        serve(session, now=now)
        assert session.decisions.all()[0].reason == reason
    short, long = costs
    assert_bounded(long, short=short)


def test_asking_and_proving_read_no_more_in_a_season_of_ten_thousand_parties():
    costs = []
    for parties in (SHORT, LONG):
        full = a_line(parties)
        with_room = make_session(season=full.season)
        own, waiting = ask(with_room), ask(full)
        analyze()
        acts = [partial(submit, with_room), partial(submit, full), partial(submit, full, with_room)]
        acts += [partial(visit.prove_mailbox, party.pk, now=NOON) for party in (own, waiting)]
        acts += [partial(submit, with_room, email=own.email), partial(submit, with_room, email=waiting.email)]
        costs.append([cost_of(act) for act in acts])
    for short, long in zip(*costs, strict=True):
        assert_bounded(long, short=short, writes_indexes=20)
