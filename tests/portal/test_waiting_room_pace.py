"""How many the waiting room lets in and how often pages look: the line asked by itself, without pages."""

from datetime import timedelta
from math import exp

import pytest

from portal.waiting_room import line, middleware, pace
from portal.waiting_room.load import Load, Told
from portal.waiting_room.tickets import Ticket, seconds
from tests.factories import NOON
from tests.portal.room import asked, others_wait

pytestmark = pytest.mark.usefixtures("waiting_room")


# How often a page looks


def test_the_interval_grows_with_the_way_and_the_looks_of_a_crowd_do_not_grow_with_it():
    short, long, longer = (pace.interval(place, waiting=5_000, pace=20, processes=2) for place in (10, 1_000, 4_000))
    assert (short, short < long < longer) == (2.0, True)
    looks = [
        sum(1 / pace.interval(place, waiting=crowd, pace=20, processes=2) for place in range(crowd))
        for crowd in (5_000, 100_000)
    ]
    assert (looks[0] < pace.polls_a_second(2), looks[1] < 1.5 * looks[0]) == (True, True)


@pytest.mark.parametrize("a_second", [5, 50, 500])
def test_no_page_sleeps_longer_than_until_its_turn(a_second):
    late = [
        place
        for place in range(0, 100_000, 50)
        if pace.interval(place, waiting=100_000, pace=a_second, processes=2)
        > max(place / a_second, pace.SHORTEST_INTERVAL)
    ]
    assert late == []


# How many are let in


@pytest.mark.parametrize(
    ("measured", "a_second", "is_known", "then"),
    [
        ((100, 20), 0, 1, 40 * pace.SLOWER_BY),
        ((100, 20), 30, 1, 30),
        ((100, 20), 40 * pace.AS_MANY_AS_COME_BACK, 1, 40),
        ((100, 20), 1, 1, 40 * pace.SLOWER_AT_MOST_BY),
        ((100, 5), 40, 1, 40 * (1 + pace.FASTER_BY)),
        ((100, 5), 0, 0, 60),
        ((0, 0), 0, 1, 40 * (1 + pace.FASTER_BY)),
    ],
    ids=["none served", "fewer served", "as many served", "few served", "quick", "quick at first", "below the first"],
)
@pytest.mark.parametrize("long_ago", [{}, {"seen": "1e-30", "seen_for": 7}], ids=["never before", "long ago"])
def test_the_pace_goes_down_to_what_is_served_and_up_while_people_wait(measured, a_second, is_known, then, long_ago):
    someone = line.Arrival(Ticket("someone", 1.0), False, 0.0, "", "", "")
    others_wait(1000, pace=40)
    state = {"is_known": is_known, "given": int(40 * pace.JUDGED_EVERY), **long_ago}
    asked(lambda redis: redis.hset(line.PACE, mapping=state))
    now = seconds(NOON)
    line.enter(someone, now=now, told=Told("one", 0, 0))
    asked(lambda redis: redis.hincrby(line.PACE, "served", int(a_second * pace.JUDGED_EVERY)))
    answer = line.enter(someone, now=now + pace.JUDGED_EVERY, told=Told("one", *measured))
    assert answer
    assert answer.pace == pytest.approx(then)


def test_at_first_the_pace_doubles_and_passes_the_first_guess_only_when_sign_ups_come_back():
    someone = line.Arrival(Ticket("someone", 1.0), False, 0.0, "", "", "")
    others_wait(5000, pace=pace.at_first(0) / 4, is_known=0)
    paces = []
    for judged in range(5):
        if judged == 4:
            asked(lambda redis: redis.hincrby(line.PACE, "served", int(75 * pace.JUDGED_EVERY)))
        found = line.enter(someone, now=seconds(NOON) + judged * pace.JUDGED_EVERY, told=Told("one", 100, 0))
        paces.append(found and found.pace)
    assert paces == [15, 30, 60, 60, 120]


def heard(*processes, at=NOON):
    """Each asks once; the last answer."""
    someone = line.Arrival(Ticket("someone", 1.0), False, 0.0, "", "", "")
    answers = [line.enter(someone, now=seconds(at), told=Told(process, 0, 0)) for process in processes]
    return answers[-1]


def test_more_web_processes_are_a_faster_pace_at_first_and_more_looks_a_second():
    asked(lambda redis: redis.delete(line.PACE))
    alone, many = heard("one"), heard(*(f"process {number}" for number in range(19)))
    assert (alone.pace, many.pace) == (pace.at_first(2), pace.at_first(20)) == (60, 600)
    assert (many.processes, pace.polls_a_second(20) == 10 * pace.polls_a_second(2)) == (20, True)
    sleeps = [pace.interval(20_000, waiting=20_000, pace=500, processes=processes) for processes in (2, 20)]
    assert sleeps == [pytest.approx(40), pytest.approx(40 / pace.LOOKS_ON_THE_WAY, rel=0.02)]


@pytest.mark.parametrize("is_known", [1, 0], ids=["measured", "slowed down"])
def test_a_pace_that_was_found_stays_when_another_process_comes(is_known):
    others_wait(5000, pace=30, is_known=is_known)
    assert heard(*(f"process {number}" for number in range(20))).pace == 30


def test_processes_that_ended_are_forgotten():
    others_wait(5000, pace=30)
    heard("one", "other")
    later = NOON + timedelta(seconds=pace.UNHEARD + 1)
    heard("other", at=later)
    assert asked(lambda redis: redis.zrange(line.PROCESSES, 0, -1)) == [b"other"]


def asks(number, *, at, told=None):
    """Somebody in the line looks: what it is told, seconds after noon."""
    arrival = line.Arrival(Ticket(f"other-{number}", seconds(NOON) - 3600 + number / 1000), False, 0.0, "", "", "")
    return line.enter(arrival, now=seconds(NOON) + at, told=told or Told("one", 0, 0))


def test_turns_that_nobody_comes_to_take_leave_room_for_more_turns():
    """All pages sleep. Sixty a second are given at first; when what nobody took has filled up, more, up to a burst."""
    others_wait(1000, pace=60)
    assert [asks(999, at=at).place for at in (0, 1, 2, 3, 4)] == [999, 939, 879, 759, 639]


def test_of_all_who_come_at_once_to_take_their_turns_so_many_are_let_in_as_the_pace_says_and_the_others_are_next():
    others_wait(1000, pace=60)
    for at in range(5):
        asks(999, at=at)
    verdicts = [asks(number, at=4).verdict for number in range(150)]
    assert verdicts == ["in"] * int(60 * pace.BURST) + ["wait"] * 30
    later = [asks(number, at=4) for number in (120, 130, 149)]
    assert [(answer.verdict, answer.place) for answer in later] == [("wait", 0), ("wait", 10), ("wait", 29)]
    assert asks(120, at=5).verdict == "in"


def test_while_requests_are_late_fewer_are_let_in_than_come_back():
    """What stands before the web processes would stay there if as many came as are served."""
    others_wait(5000, pace=40)
    counts = {"served": 40 * pace.JUDGED_EVERY, "given": 40 * pace.JUDGED_EVERY}
    asked(lambda redis: redis.hset(line.PACE, mapping=counts))
    answer = asks(4999, at=pace.JUDGED_EVERY, told=Told("one", 100, 80, 80, 7.0))
    assert answer.pace == pytest.approx(40 * pace.SO_THAT_LATE_ONES_END)


@pytest.mark.parametrize("served", [0, 1, 5])
def test_the_first_sign_ups_say_little_of_what_can_be_served(served):
    """A crowd stands before the door, and hardly anybody has written the form yet."""
    others_wait(5000, pace=100)
    asked(lambda redis: redis.hset(line.PACE, mapping={"served": served, "given": 200}))
    answer = asks(4999, at=pace.JUDGED_EVERY, told=Told("one", 100, 80, 80, 7.0))
    assert answer.pace == pytest.approx(100 * (pace.SLOWER_AT_MOST_BY if served else pace.SLOWER_BY))


def test_requests_that_take_long_for_themselves_do_not_slow_the_line_down_for_ever():
    """Six seconds each, though all are served and none waits for a thread."""
    load = Load()
    with load.one_more(at_once=6, waited=pace.LATE - 0.1):
        pass
    assert load.take()[2:4] == (1, 0)
    with load.one_more(at_once=6, waited=pace.LATE + 0.1):
        pass
    assert load.take()[2:4] == (1, 1)


def test_a_pace_that_was_found_high_does_not_outlive_the_crowd():
    """It was of ten hosts, and now there is one."""
    others_wait(0, pace=1200)
    assert asks(1, at=pace.JUDGED_EVERY, told=Told("one", 10, 0)).pace == pytest.approx(2 * pace.at_first(1))


def test_a_clock_that_is_set_back_does_not_stop_the_line():
    others_wait(1000, pace=60)
    asks(999, at=20)
    at = asks(999, at=0).place
    assert asks(999, at=1).place <= at - 60


def test_who_comes_late_for_a_turn_does_not_pass_those_who_were_sent_back_before():
    """The head of the line is an older place than that of whoever has a turn now."""
    others_wait(1000, pace=60)
    for at in range(5):
        asks(999, at=at)
    everybody = [asks(number, at=4).verdict for number in range(200)]
    assert everybody == ["in"] * 120 + ["wait"] * 80
    asked(lambda redis: redis.hset(line.PACE, mapping={"credit": 0, "gate": 60}))
    assert asks(230, at=4).verdict == "wait"
    asked(lambda redis: redis.hset(line.PACE, mapping={"credit": 60}))
    assert asks(120, at=4).verdict == "in"


def test_after_a_slow_time_what_was_under_way_is_not_judged():
    others_wait(5000, pace=40)
    slow = Told("one", 100, 80, 0, 7.0)
    paces = [asks(4999, at=at, told=slow).pace for at in (2, 4, 6, 8.9, 11.1)]
    fallen = 40 * pace.SLOWER_BY
    assert paces == [pytest.approx(each) for each in (fallen, fallen, fallen, fallen, fallen * pace.SLOWER_BY)]


def test_one_request_that_hangs_puts_off_the_next_judgement_for_a_moment_only():
    others_wait(5000, pace=40)
    ends = pace.JUDGED_EVERY + pace.UNDER_WAY_AT_MOST + pace.JUDGED_EVERY
    hangs, slow = Told("one", 100, 80, 0, 60.0), Told("one", 100, 80)
    paces = [asks(4999, at=at, told=told).pace for at, told in ((2, hangs), (ends - 0.1, slow), (ends, slow))]
    assert paces == [pytest.approx(40 * pace.SLOWER_BY**times) for times in (1, 1, 2)]


def test_a_pace_that_fell_doubles_until_half_of_where_it_fell_from():
    others_wait(5000, pace=100)
    asked(lambda redis: redis.hset(line.PACE, mapping={"served": 10, "given": 200}))
    slow, quick = Told("one", 100, 80), Told("one", 100, 0)
    told = [asks(4999, at=2, told=slow), *(asks(4999, at=2 + at, told=quick) for at in (4.1, 6.2, 8.3))]
    assert [answer.pace for answer in told] == [pytest.approx(each) for each in (40, 50, 60, 60)]
    asked(lambda redis: redis.hset(line.PACE, "given", 200))
    told = [asks(4999, at=14, told=slow), *(asks(4999, at=14 + at, told=quick) for at in (4.1, 6.2))]
    assert [answer.pace for answer in told] == [pytest.approx(each) for each in (24, 30, 36)]


def test_what_may_come_at_once_grows_with_the_processes_and_shrinks_with_the_pace():
    asked(lambda redis: redis.delete(line.PACE))
    heard(*(f"process {number}" for number in range(20)))
    verdicts = [asks(number, at=0, told=Told("process 1", 0, 0)).verdict for number in range(1250)]
    assert verdicts.count("in") == pace.BURST * pace.at_first(20) - 1
    others_wait(1000, pace=100)
    turns = {f"other-{number}": seconds(NOON) + 900 for number in range(150)}
    asked(lambda redis: redis.delete(line.LINE, line.INSIDE))
    asked(lambda redis: redis.zadd(line.TURNS, turns))
    asked(lambda redis: redis.hset(line.PACE, mapping={"gate": 200, "ticked": seconds(NOON) + 2}))
    asks(999, at=2, told=Told("one", 100, 80))
    assert [asks(number, at=2).verdict for number in range(150)].count("in") == 70


def test_nobody_goes_straight_in_while_others_take_their_turns():
    others_wait(0, pace=60)
    asked(lambda redis: redis.hset(line.PACE, mapping={"credit": 50, "gate": 0}))
    assert asks(1, at=0).verdict == "wait"


@pytest.mark.parametrize(("a_second", "then"), [(60, 150), (100, 180)], ids=["few come back", "most come back"])
def test_a_fast_pace_grows_only_while_sign_ups_come_back(a_second, then):
    someone = line.Arrival(Ticket("someone", 1.0), False, 0.0, "", "", "")
    others_wait(5000, pace=150)
    line.enter(someone, now=seconds(NOON), told=Told("one", 0, 0))
    asked(lambda redis: redis.hincrby(line.PACE, "served", int(a_second * pace.JUDGED_EVERY)))
    answer = line.enter(someone, now=seconds(NOON) + pace.JUDGED_EVERY, told=Told("one", 100, 0))
    assert (answer and answer.pace) == pytest.approx(then)


def test_forms_come_back_in_waves_and_what_is_served_is_counted_over_more_than_one():
    """Sixty a second and then twenty: of what was longer ago less is counted."""
    someone = line.Arrival(Ticket("someone", 1.0), False, 0.0, "", "", "")
    others_wait(5000, pace=60)
    asked(lambda redis: redis.hset(line.PACE, "is_known", 1))
    paces = []
    for number, a_second in enumerate((0, 60, 20)):
        counts = {"served": a_second * pace.JUDGED_EVERY, "given": 80 * pace.JUDGED_EVERY}
        asked(lambda redis, counts=counts: redis.hset(line.PACE, mapping=counts))
        now = seconds(NOON) + number * pace.JUDGED_EVERY
        found = line.enter(someone, now=now, told=Told("one", 100, 20 if number == 2 else 0))
        paces.append(found and round(found.pace))
    weight = exp(-pace.JUDGED_EVERY / pace.SEEN_OVER)
    assert paces == [60, 72, round((60 * weight + 20) / (weight + 1))]


@pytest.mark.parametrize(
    ("waited", "slow"), [(None, 1), (0.0, 0), (pace.SLOW, 2)], ids=["nobody knows", "not at all", "long"]
)
def test_who_waits_for_a_thread_counts_as_slow_and_where_nobody_knows_who_finds_them_at_work(waited, slow):
    load = middleware.load
    with load.one_more(at_once=1, waited=waited), load.one_more(at_once=1, waited=waited):
        pass
    assert [load.take()[1:3] for _time in range(2)] == [(2, slow), (0, 0)]
