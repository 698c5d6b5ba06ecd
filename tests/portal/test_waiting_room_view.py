"""Who stands far from the head of the line is told its place from what the process saw last, and loses nothing."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from math import inf
from random import Random

import pytest
from django.http import HttpResponse
from django.test import Client

from bookings.models import TourSession
from portal import shared
from portal.forms.stamp import new_stamp
from portal.waiting_room import line, pace
from portal.waiting_room.load import Told
from portal.waiting_room.tickets import Ticket, seconds
from portal.waiting_room.view import View, place_in
from tests.factories import HOUR, NOON, make_house, make_season, make_session
from tests.portal.room import asked, others_wait

pytestmark = pytest.mark.usefixtures("waiting_room")

MOMENT = timedelta(seconds=0.3)
SECOND = timedelta(seconds=1)
NOW = seconds(NOON)
# Verdict, how many wait, pace and processes: all but the place.
SAID = (0, 2, 3, 4)
NOBODY = Told("here", 0, 0)
WANTS_MARKS = line.Brought(True, {})


@pytest.fixture
def path(db, clock):
    make_house()
    return f"/en/sessions/{make_session().pk}/sign-up/"


class Visitor:
    def __init__(self, number: int, path: str) -> None:
        self.client, self.path = Client(REMOTE_ADDR=f"203.0.{number}.7"), path

    def looks(self) -> str:
        """The headline of the page, or that it got the form."""
        page = self.client.get(self.path).content.decode()
        return "form" if 'id="id_lead_name"' in page else page.partition('<h1 id="state">')[2].partition("</h1>")[0]

    @property
    def number(self) -> str:
        (cookie,) = self.client.cookies.values()
        return str(cookie.value).partition("~")[0]


@pytest.fixture
def silence(monkeypatch):
    """Call it, and the line answers nobody any more: who asks is let in as without one."""
    return lambda: monkeypatch.setattr(shared.Silence, "until", inf)


def due(visitor: Visitor) -> float | None:
    said = asked(lambda redis: redis.hget(line.DUE, visitor.number))
    return None if said is None else float(said)


def far_and_seen(path, clock, *, before=2000) -> Visitor:
    """A visitor behind so many, at a pace of one a second; the process has just seen the line."""
    others_wait(before)
    visitor, last = Visitor(1, path), Visitor(2, path)
    visitor.looks()
    clock(NOON + SECOND)
    last.looks()
    clock(NOON + 2 * SECOND)
    visitor.looks()
    clock(NOON + 2 * SECOND + MOMENT)
    return visitor


def test_who_stands_far_is_told_its_place_and_nobody_is_asked(path, clock, silence):
    visitor = far_and_seen(path, clock)
    silence()

    assert [visitor.looks() for _again in range(3)] == ["About 2,000 parties are before you"] * 3

    clock(NOON + 3 * SECOND)
    assert visitor.looks() == "form"


def test_who_comes_new_or_stands_behind_all_that_were_seen_asks(path, clock, silence):
    far_and_seen(path, clock)
    last, newcomer = Visitor(3, path), Visitor(4, path)
    assert last.looks() == "About 2,000 parties are before you"
    silence()

    assert [last.looks(), newcomer.looks()] == ["form", "form"]


@pytest.mark.parametrize(("rank", "asks"), [(0, True), (170, True), (300, False)])
def test_near_is_whose_turn_comes_in_five_seconds(rank, asks):
    others_wait(2000, pace=40)
    seen = ask("other-1000")
    found = place_in(seen, place_of(rank))

    assert (seen.pace, found is None) == (40, asks)
    assert found is None or abs(found.place - rank) <= 1


def test_nobodys_turn_comes_while_a_view_of_it_is_kept():
    """What runs up in a quiet moment, and what is given while few come to take theirs."""
    at_most = pace.BURST + pace.TURNS_WHILE_FEW_COME * pace.VIEW_KEPT

    assert at_most < pace.NEAR


def test_a_short_line_is_not_told():
    others_wait(pace.MARKS_OF_A_VIEW - 1)
    assert ask("other-1").marks is None


def test_places_are_told_as_well_as_the_marks_allow_and_nobody_sleeps_through_its_turn_by_that():
    dice = Random(5)
    moments = sorted(NOW - HOUR.total_seconds() * dice.random() ** dice.choice([1, 2, 4]) for _one in range(5000))
    numbers = {f"other-{rank}": moment for rank, moment in enumerate(moments)}
    others_wait(0)
    asked(lambda redis: redis.zadd(line.LINE, numbers))
    seen = ask("other-4999")

    told = [(rank, found) for rank, moment in enumerate(moments) if (found := place_in(seen, moment))]

    assert len(told) > 5000 - 2 * 5000 / pace.MARKS_OF_A_VIEW
    assert max(abs(found.place - rank) for rank, found in told) <= 5000 / pace.MARKS_OF_A_VIEW
    assert all(found.place - found.perhaps_less <= rank for rank, found in told)
    assert all(before.place <= behind.place for (_, before), (_, behind) in pairwise(told))


def test_the_next_look_is_no_later_than_by_the_place_that_is_sure(path, clock):
    others_wait(20_000)
    step = 19_999 / (pace.MARKS_OF_A_VIEW - 1)
    first, last = int(2 * step), int(3 * step)
    late = {f"other-{rank}": place_of(last) - 0.001 for rank in range(first + 1, last)}
    asked(lambda redis: redis.zadd(line.LINE, late))
    # Far behind by the clock, and next after the mark before it.
    place = place_of(first) + 0.9 * (place_of(last) - place_of(first))
    asked(lambda redis: redis.zadd(line.LINE, {"sleeper": place}))
    Visitor(1, path).looks()
    sleeper, given = Visitor(2, path), HttpResponse()
    season_pk = TourSession.objects.get().season_id
    Ticket("sleeper", place).write(given, season_pk)
    sleeper.client.cookies = given.cookies
    clock(NOON + MOMENT)

    again_in = int(sleeper.client.get(path)["Refresh"].partition(";")[0])

    surely = pace.interval(first, waiting=20_000, pace=1, processes=1)
    assert again_in <= 1.1 * surely + 1 < 0.9 * pace.interval(last, waiting=20_000, pace=1, processes=1)


def test_who_was_here_without_asking_is_not_away(path, clock):
    visitor = far_and_seen(path, clock)
    asked(lambda redis: redis.hset(line.DUE, visitor.number, NOW - 1))
    visitor.looks()
    assert due(visitor) == NOW - 1

    clock(NOON + 3 * SECOND)
    Visitor(3, path).looks()

    # Half a minute after its turn, at a pace that has begun to rise.
    assert NOW + 1000 < (due(visitor) or 0) < NOW + 2100


def test_whose_turn_came_meanwhile_leaves_nothing_behind(path, clock):
    visitor = far_and_seen(path, clock)
    visitor.looks()
    asked(lambda redis: (redis.zrem(line.LINE, visitor.number), redis.hdel(line.DUE, visitor.number)))

    clock(NOON + 3 * SECOND)
    Visitor(3, path).looks()

    assert due(visitor) is None


def test_who_was_let_in_keeps_its_form_whoever_comes_before_it(path, clock):
    others_wait(0, pace=10)
    visitor, last = Visitor(1, path), Visitor(2, path)
    clock(NOON + SECOND)
    assert visitor.looks() == "form"
    others_wait(2000)
    clock(NOON + 2 * SECOND)
    last.looks()
    clock(NOON + 3 * SECOND)
    last.looks()

    assert visitor.looks() == "form"


def test_in_the_last_second_before_the_opening_nobody_waits_yet(db, clock):
    make_house()
    path = f"/en/sessions/{make_session(season=make_season(opens_at=NOON)).pk}/sign-up/"
    clock(NOON - 2 * SECOND)
    others_wait(2000, since=NOON - 3 * SECOND)
    early = [Visitor(number, path) for number in range(30)]
    for visitor in early:
        visitor.looks()
    clock(NOON - MOMENT)
    asking = Visitor(40, path)
    asking.looks()

    headlines = {visitor.looks() for visitor in early}

    assert {headline.partition(" at ")[0] for headline in headlines} == {"Sign-up opens"}


def test_a_form_that_is_sent_asks(path, clock):
    visitor = far_and_seen(path, clock)
    number = visitor.number
    asked(lambda redis: (redis.delete(line.LINE), redis.zadd(line.TURNS, {number: NOW + 900})))
    asked(lambda redis: redis.hset(line.PACE, mapping={"credit": 5, "gate": 5}))
    answers = {
        "size": "1",
        "lead_name": "Lin Xiaoyun",
        "lead_age": "18-",
        "email": "xiaoyun@visitors.example",
        "submission_key": new_stamp(now=NOON - HOUR),
    }

    assert visitor.looks() == "About 2,000 parties are before you"
    assert visitor.client.post(path, answers).status_code == 303


def test_a_line_that_was_lost_comes_back_by_looking(path, clock):
    others_wait(2000)
    visitors = [Visitor(number, path) for number in range(8)]
    for number, visitor in enumerate(visitors):
        clock(NOON + number * MOMENT / 10)
        visitor.looks()
    asked(lambda redis: redis.flushdb())
    others_wait(2000)
    last = Visitor(9, path)

    for step in range(1, 8):
        clock(NOON + step * SECOND)
        last.looks()
        for visitor in visitors:
            visitor.looks()

    stand = asked(lambda redis: redis.zrange(line.LINE, 0, -1))
    ranks = [stand.index(visitor.number.encode()) for visitor in visitors]
    assert ranks == sorted(ranks)


def test_what_another_process_has_heard_since_holds(path, clock):
    visitor = far_and_seen(path, clock)
    visitor.looks()
    later = NOW + 5000
    asked(lambda redis: redis.hset(line.DUE, visitor.number, later))

    clock(NOON + 3 * SECOND)
    Visitor(3, path).looks()

    assert due(visitor) == later


def test_of_many_that_ask_at_once_one_brings_who_was_here_and_gets_what_the_others_need(view):
    others_wait(2000)
    see(view)
    assert place(view, 500)
    brought: list[line.Brought] = []

    for _one in range(3):
        view.asking(heard(brought), now=NOW + pace.VIEW_KEPT)
    view.asking(heard(brought), now=NOW + 2 * pace.VIEW_KEPT)

    asks = [(each.wants_marks, list(each.looked)) for each in brought]
    assert asks == [(True, ["other-500"]), (False, []), (False, []), (True, [])]
    assert brought[0].looked["other-500"] == pytest.approx(NOW + 500 + pace.AWAY_AFTER, abs=1)


def test_who_was_here_is_told_again_where_the_line_did_not_answer(view):
    others_wait(2000)
    see(view)
    assert place(view, 500)
    brought: list[line.Brought] = []

    view.asking(lambda _brought: None, now=NOW + pace.VIEW_KEPT)
    view.asking(heard(brought), now=NOW + 2 * pace.VIEW_KEPT)

    assert list(brought[0].looked) == ["other-500"]


def test_more_looks_than_a_question_may_carry_ask(view, monkeypatch):
    monkeypatch.setattr("portal.waiting_room.view.LOOKS_AT_MOST", 3)
    others_wait(2000)
    see(view)

    assert [bool(place(view, rank)) for rank in range(500, 505)] == [True, True, True, False, False]


def test_what_is_told_of_a_line_is_what_it_would_say(view):
    others_wait(2000, pace=40)
    see(view)
    from_afar, itself = place(view, 500), ask("other-500")

    assert from_afar is not None
    assert [from_afar[part] for part in SAID] == [itself[part] for part in SAID]
    assert abs(from_afar.place - itself.place) <= 1


def test_a_clock_that_was_set_back_sees_nothing(view):
    others_wait(2000)
    see(view)

    assert [bool(place(view, 500, now=NOW + after)) for after in (-1, 0, pace.VIEW_KEPT, 1)] == [
        False,
        True,
        True,
        False,
    ]


@pytest.fixture
def view() -> View:
    return View()


def see(view: View) -> None:
    """By a question of somebody who was let in."""
    view.asking(lambda brought: ask("other-2001", brought, let_in_until=NOW + 60), now=NOW)


def place(view: View, rank: int, *, now: float = NOW) -> line.Answer | None:
    return view.place(Ticket(f"other-{rank}", place_of(rank)), now=now)


def heard(brought: list[line.Brought]) -> Callable[[line.Brought], line.Answer]:
    def ask_and_tell(each: line.Brought) -> line.Answer:
        brought.append(each)
        return ask("other-1000", each)

    return ask_and_tell


def place_of(rank: int) -> float:
    """As others_wait has put them."""
    return NOW - HOUR.total_seconds() + rank / 1000


def ask(number: str, brought: line.Brought = WANTS_MARKS, *, let_in_until: float = 0.0) -> line.Answer:
    ticket = Ticket(number, place_of(int(number.partition("-")[2])), let_in_until)
    arrival = line.Arrival(ticket, False, 0.0, "", "", "")
    found = line.enter(arrival, now=NOW, told=NOBODY, brought=brought)
    assert found
    return found
