"""Who stands far from the head of the line is told its place from what the process saw last, and loses nothing."""

from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest
from django.test import Client

from portal.forms.stamp import new_stamp
from portal.waiting_room import line, middleware, pace
from portal.waiting_room.load import Told
from portal.waiting_room.tickets import Ticket, seconds
from portal.waiting_room.view import place_in
from tests.factories import HOUR, NOON, make_house, make_season, make_session
from tests.portal.room import asked, forget, others_wait

pytestmark = pytest.mark.usefixtures("waiting_room")

MOMENT = timedelta(seconds=0.3)
SECOND = timedelta(seconds=1)
NOW = seconds(NOON)
NOBODY = Told("here", 0, 0)


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


def questions() -> int:
    """How often the line was asked since the server began."""
    told = asked(lambda redis: redis.info("commandstats"))
    return int(told.get("cmdstat_evalsha", {"calls": 0})["calls"])


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


def test_who_stands_far_is_told_its_place_and_nobody_is_asked(path, clock):
    visitor = far_and_seen(path, clock)
    before = questions()

    assert [visitor.looks() for _again in range(3)] == ["About 2,000 parties are before you"] * 3
    assert questions() == before

    clock(NOON + 3 * SECOND)
    assert visitor.looks() == "About 2,000 parties are before you"
    assert questions() == before + 1


def test_who_comes_new_or_stands_behind_all_that_were_seen_asks(path, clock):
    far_and_seen(path, clock)
    newcomer = Visitor(3, path)
    before = questions()

    assert newcomer.looks() == "About 2,000 parties are before you"
    assert newcomer.looks() == "About 2,000 parties are before you"
    assert questions() == before + 2


@pytest.mark.parametrize(("rank", "asks"), [(0, True), (300, True), (500, False)])
def test_near_is_whose_turn_comes_in_ten_seconds(rank, asks):
    others_wait(2000, pace=40)
    seen = ask("other-1000", wants_marks=True)
    found = place_in(seen, place_of(rank))

    assert (seen.pace, found is None) == (40, asks)
    assert asks or abs(found - rank) <= 1


def test_a_short_line_is_not_told():
    others_wait(pace.MARKS_OF_A_VIEW - 1)
    assert ask("other-1", wants_marks=True).marks is None


def test_places_are_told_as_well_as_the_marks_allow():
    dice = Random(5)
    moments = sorted(NOW - HOUR.total_seconds() * dice.random() ** dice.choice([1, 2, 4]) for _one in range(5000))
    numbers = {f"other-{rank}": moment for rank, moment in enumerate(moments)}
    others_wait(0)
    asked(lambda redis: redis.zadd(line.LINE, numbers))
    seen = ask("other-4999", wants_marks=True)

    off = [abs(found - rank) for rank, moment in enumerate(moments) if (found := place_in(seen, moment)) is not None]

    assert max(off) <= 5000 / pace.MARKS_OF_A_VIEW
    assert len(off) > 5000 - 2 * 5000 / pace.MARKS_OF_A_VIEW
    told = [place_in(seen, moment) or 0 for moment in moments[200:-200]]
    assert all(before <= behind for before, behind in pairwise(told))


def test_who_was_here_without_asking_is_not_away(path, clock):
    visitor = far_and_seen(path, clock)
    asked(lambda redis: redis.hset(line.DUE, visitor.number, NOW - 1))
    visitor.looks()
    assert due(visitor) == NOW - 1

    clock(NOON + 3 * SECOND)
    Visitor(3, path).looks()

    # About when its turn comes, at a pace that has begun to rise.
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


def test_a_line_that_was_lost_comes_back_in_its_order(path, clock):
    visitor = far_and_seen(path, clock)
    asked(lambda redis: redis.flushdb())
    others_wait(2000, since=NOON)
    assert visitor.looks() == "About 2,000 parties are before you"

    forget()
    clock(NOON + 3 * SECOND)
    assert visitor.looks() == "About 2,000 parties are before you"
    assert asked(lambda redis: redis.zrank(line.LINE, visitor.number)) == pytest.approx(2000, abs=5)


def test_of_many_that_ask_at_once_one_gets_what_the_others_need():
    view = middleware.view
    assert [view.more(now=NOW).wants_marks for _one in range(3)] == [True, False, False]
    assert view.more(now=NOW + pace.VIEW_KEPT).wants_marks


def test_more_looks_than_a_question_may_carry_ask(monkeypatch):
    monkeypatch.setattr("portal.waiting_room.view.LOOKS_AT_MOST", 3)
    others_wait(2000)
    middleware.view.put(ask("other-1000", wants_marks=True), now=NOW)

    told = [middleware.view.place(Ticket(f"other-{rank}", place_of(rank)), now=NOW) for rank in range(500, 505)]

    assert [answer and answer.verdict for answer in told] == ["wait", "wait", "wait", None, None]


def place_of(rank: int) -> float:
    """As others_wait has put them."""
    return NOW - HOUR.total_seconds() + rank / 1000


def ask(number: str, *, wants_marks: bool) -> line.Answer:
    ticket = Ticket(number, place_of(int(number.partition("-")[2])))
    found = line.enter(
        line.Arrival(ticket, False, 0.0, "", "", ""), now=NOW, told=NOBODY, more=line.More(wants_marks, {})
    )
    assert found
    return found
