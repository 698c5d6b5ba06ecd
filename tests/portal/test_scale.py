"""However many parties wait, what is asked most costs the same: queries, and rows and pages read.

Of a season of a hundred thousand parties that wait for three sessions each, beside one of a hundred in the same tables.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.db.models import F, Q
from django.test import Client

from bookings.admin.standing import touched
from bookings.domain import visit, waitlist
from bookings.models import Decision, DecisionReason, DecisionTrigger, Party, Season, Tour, TourSession, parties_ahead
from bookings.outbox import claims, senders
from portal.forms.stamp import new_stamp
from tests.acts import ask, submit
from tests.bulk import fill_in_bulk
from tests.costs import analyze, assert_bounded, cost_of
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_season, make_session
from tests.long_lines import fill_line
from tests.portal.visits import address, enter

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.usefixtures("clock", "house")]

FEW, MANY = 100, 100_000
# Parties of three, and behind them one person in all lines but the last.
SIZE = 3
# Places that are taken in each line's session; nothing is free.
HELD = (10, 1, 10)
# The roster locks two days before the start; the last call begins a day before that.
LAST_CALL = START - 3 * DAY + HOUR


class Crowd(NamedTuple):
    season: Season
    lines: list[TourSession]
    with_room: TourSession
    first: Party
    second: Party
    last: Party


@pytest.fixture(scope="module")
def crowds(django_db_setup: None, django_db_blocker: Any) -> Iterator[list[Crowd]]:
    """Written once for all tests of this file, which leave it as it is."""
    with django_db_blocker.unblock():
        try:
            crowds = [made_of(parties) for parties in (FEW, MANY)]
            analyze()
            yield crowds
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"TRUNCATE {Tour._meta.db_table} CASCADE")


def made_of(parties: int) -> Crowd:
    season = make_season(opens_at=NOON - 9 * DAY)
    lines = [make_session(season=season, starts_at=START + number * DAY) for number in range(3)]
    with_room = make_session(season=season, starts_at=START + 9 * DAY)
    for session, held in zip(lines, HELD, strict=True):
        make_booking(session, size=held)
        TourSession.objects.filter(pk=session.pk).update(sell_limit=held)
    first = fill_in_bulk(lines, parties=parties, size=SIZE)
    (last,) = fill_line(lines[:2], parties=1, size=1)
    Decision.objects.bulk_create(
        Decision(
            session=session,
            decided_at=NOON - number * HOUR,
            trigger=DecisionTrigger.SCAN,
            places_free=2,
            parties_free=1,
            reason=DecisionReason.NO_FIT,
        )
        for session in lines
        for number in range(min(parties // 10, 1000))
    )
    second = Party.objects.filter(season=season, pk__gt=first.pk, size=SIZE).order_by("pk")[0]
    return Crowd(season, lines, with_room, first, second, last)


def both(crowds: list[Crowd], acts: Callable[[Crowd], list[Callable[[], Any]]], *, fronts: int = 0) -> None:
    """What these acts cost in the two seasons."""
    few, many = [[cost_of(act) for act in acts(crowd)] for crowd in crowds]
    for short, long in zip(few, many, strict=True):
        assert_bounded(long, short=short, fronts=fronts)


def test_asking_and_proving(crowds):
    def acts(crowd: Crowd) -> list[Callable[[], Any]]:
        full, with_room = crowd.lines[0], crowd.with_room
        own, waiting = ask(with_room), ask(full)
        return [
            *(partial(submit, *named) for named in ([with_room], [full], [full, with_room])),
            *(partial(visit.prove_mailbox, party.pk, now=NOON) for party in (own, waiting)),
            *(partial(submit, with_room, email=party.email) for party in (own, waiting)),
        ]

    both(crowds, acts)


def test_list_session_form_and_the_form_that_is_sent(crowds):
    client = Client(REMOTE_ADDR="198.51.100.7")

    def acts(crowd: Crowd) -> list[Callable[[], Any]]:
        form = f"/en/sessions/{crowd.lines[0].pk}/sign-up/"
        pages = ["/en/", f"/en/sessions/{crowd.lines[0].pk}/", form]
        return [*(partial(read, client, page) for page in pages), partial(send, client, form)]

    both(crowds, acts)


def read(client: Client, page: str) -> None:
    assert client.get(page).status_code == 200


def send(client: Client, form: str) -> None:
    answers = {"size": "1", "lead_name": "Lin Xiaoyun", "lead_age": "18-", "email": "xiaoyun@visitors.example"}
    assert client.post(form, answers | {"submission_key": new_stamp(now=NOON - HOUR)}).status_code == 303


def test_the_page_of_the_first_the_second_and_the_last_party_of_three_lines(crowds, client):
    def acts(crowd: Crowd) -> list[Callable[[], Any]]:
        parties = (crowd.first, crowd.second, crowd.last)
        return [partial(read, enter(client, party), address(party)) for party in parties]

    both(crowds, acts, fronts=3)


@pytest.mark.parametrize("called", [0, 150])
def test_counting_who_is_ahead(crowds, called):
    """Of the last party of each kind, before the last call and in it."""

    def acts(crowd: Crowd) -> list[Callable[[], Any]]:
        session = crowd.lines[2]
        fill_line([session], parties=called, first_call=True)
        fill_line([session], parties=300, short_notice=True)
        first_call, short_notice = Q(first_call=True), Q(short_notice=True)
        kinds = [short_notice, ~(first_call | short_notice), *([first_call] if called else [])]
        line = session.bookings.select_related("session").filter(in_line=True).order_by("-queue_number")
        last = [line.filter(kind)[0] for kind in kinds]
        return [partial(parties_ahead, each, now=now) for each in last for now in (NOON, LAST_CALL)]

    both(crowds, acts, fronts=3)


@pytest.mark.parametrize(
    ("line", "free", "now", "reason"),
    [
        pytest.param(0, 3, NOON, DecisionReason.OFFERED, id="the head fits"),
        pytest.param(0, 1, NOON, DecisionReason.SAVED, id="saved for the head"),
        pytest.param(0, 1, LAST_CALL, DecisionReason.OFFERED, id="the last fits"),
        pytest.param(2, 2, LAST_CALL + 2 * DAY, DecisionReason.NO_FIT, id="nobody fits"),
        pytest.param(1, 1, NOON, DecisionReason.OFFERED, id="all but the last are too many for the limit"),
    ],
)
def test_serving_one_freed_place(crowds, line, free, now, reason):
    def acts(crowd: Crowd) -> list[Callable[[], Any]]:
        session = crowd.lines[line]
        TourSession.objects.filter(pk=session.pk).update(sell_limit=F("places_held") + free)
        return [partial(serve, session, now=now)]

    both(crowds, acts)
    for crowd in crowds:
        serve(crowd.lines[line], now=now)
        assert crowd.lines[line].decisions.latest("pk").reason == reason


def serve(session: TourSession, *, now: datetime) -> None:
    waitlist.offer_free_places(session.pk, now=now, trigger=DecisionTrigger.CANCELLED)


def test_saying_who_is_touched_by_calling_off(crowds):
    def acts(crowd: Crowd) -> list[Callable[[], Any]]:
        return [partial(touched, TourSession.objects.get(pk=crowd.lines[2].pk))]

    few, many = crowds
    assert touched(TourSession.objects.get(pk=many.lines[2].pk)) == {
        "confirmed": 1,
        "people": 10,
        "offered": 0,
        "waiting": MANY,
        "mails": MANY + 1,
    }
    both([few, many], acts)


def test_taking_twenty_of_a_mailing_that_is_due_at_one_moment(crowds):
    """Of both seasons together: a line of mail knows no season."""
    look, take = (cost_of(act) for act in (partial(senders.is_mail_due, now=NOON), partial(claims.claim, 20, now=NOON)))
    assert len(claims.claim(20, now=NOON)) == 20
    assert_bounded(look, short=look)
    assert_bounded(take, short=take)
