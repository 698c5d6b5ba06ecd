"""The room in front of the sign-up form: who is let in, who stands where, and what holds when the line is lost."""

import re
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from redis import Redis

from bookings.models import Booking, Season
from portal import shared
from portal.forms.stamp import new_stamp
from portal.waiting_room import line, middleware, pace
from portal.waiting_room.tickets import Ticket, place_of, seconds
from tests.factories import HOUR, NOON, make_booking, make_house, make_season, make_session
from tests.portal.pages import words
from tests.portal.room import asked, forget, others_wait

pytestmark = pytest.mark.usefixtures("waiting_room")

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
NOT_YET = "Saturday 13\u00a0February, 09:30"


@pytest.fixture
def session(db, clock):
    make_house()
    return make_session()


@pytest.fixture
def before(db, clock):
    """A session of a season that opens at noon; the clock stands ten minutes before."""
    make_house()
    clock(NOON - 10 * MINUTE)
    return make_session(season=make_season(opens_at=NOON))


@pytest.fixture
def no_redis(settings, tmp_path):
    """Call it to take Redis away."""

    def stop():
        settings.SHARED_REDIS_URL = f"unix://{tmp_path / 'nobody.sock'}"
        shared.shared_redis.cache_clear()

    there = settings.SHARED_REDIS_URL
    yield stop
    settings.SHARED_REDIS_URL = there
    shared.shared_redis.cache_clear()
    shared.Silence.until = 0.0


def path(session, language="en"):
    return f"/{language}/sessions/{session.pk}/sign-up/"


def answers(**given):
    return {
        "size": "1",
        "lead_name": "Lin Xiaoyun",
        "lead_age": "18-",
        "email": "xiaoyun@visitors.example",
        "submission_key": new_stamp(now=NOON - HOUR),
    } | given


def visitor(number=0):
    """Each from a network of its own."""
    return Client(REMOTE_ADDR=f"203.{number // 250}.{number % 250}.7")


def kind(response):
    """What a visitor got: the form, or the headline of another page."""
    page = response.content.decode()
    found = re.search(r'<h1 id="state">(.*?)</h1>', page)
    return "form" if 'id="id_lead_name"' in page else found[1] if found else response.status_code


def again_in(response):
    return int(response["Refresh"].partition(";")[0])


def fields(response):
    """What the form in the page sends."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', response.content.decode())
    return {unescape(name): unescape(value) for name, value in found}


def ticket(who, session, *, now=NOON):
    """What its cookie says."""
    request = who.get("/").wsgi_request
    request.COOKIES = {name: morsel.value for name, morsel in who.cookies.items()}
    found = Ticket.read(request, session.season_id, now=seconds(now))
    assert found
    return found


def stands_at(who, session):
    return asked(lambda redis: redis.zrank(line.LINE, ticket(who, session).number))


def others_come_before_opening(session, number):
    opens_at = seconds(session.season.opens_at)
    early = {name: place_of(name, session.season_id, opens_at=opens_at) for name in map(str, range(number))}
    asked(lambda redis: redis.zadd(line.LINE, early))


# Who comes in


def test_a_quiet_site_has_no_room(session):
    assert [kind(visitor(number).get(path(session))) for number in range(5)] == ["form"] * 5


def test_a_site_may_have_no_room_at_all_or_always_one(session, settings):
    settings.WAITING_ROOM = "on"
    assert kind(visitor().get(path(session))) == "You are next"
    settings.WAITING_ROOM = "off"
    others_wait(10)
    assert kind(visitor(1).get(path(session))) == "form"


def test_more_than_are_let_in_at_a_time_wait_in_the_order_in_which_they_came(session, clock):
    others_wait(0)
    came = [visitor(number) for number in range(3)]
    got = []
    for number, who in enumerate(came):
        clock(NOON + number * SECOND / 10)
        got.append(kind(who.get(path(session))))
    assert got == ["You are next", "1 party is before you", "2 parties are before you"]
    clock(NOON + 1.5 * SECOND)
    assert [kind(who.get(path(session))) for who in reversed(came)] == ["1 party is before you", "You are next", "form"]


def test_more_at_once_than_the_pace_open_the_room_and_an_empty_line_closes_it(session, clock):
    others_wait(0, pace=2, since=NOON - MINUTE)
    came = [visitor(number) for number in range(7)]
    got = []
    for number, who in enumerate(came):
        clock(NOON + number * SECOND / 1000)
        got.append(kind(who.get(path(session))))
    assert got == ["form"] * 5 + ["You are next", "1 party is before you"]
    clock(NOON + 2 * SECOND)
    assert [kind(who.get(path(session))) for who in (*came[5:], visitor(8))] == ["form"] * 3


@pytest.mark.parametrize("zeros", ["0", "0" * 30])
def test_no_other_way_of_writing_the_address_leads_past_the_line(session, zeros):
    others_wait(10)
    address = path(session).replace(f"/{session.pk}/", f"/{zeros}{session.pk}/")
    assert kind(visitor().get(address)) == "10 parties are before you"


def test_only_the_form_is_guarded(session):
    others_wait(10)
    pages = [f"/en/sessions/{session.pk}/", f"/en/sessions/{session.pk}/asked/", "/en/", "/healthz"]
    assert [visitor().get(page).status_code for page in pages] == [200] * 4


def test_whoever_was_let_in_sends_its_form_while_others_wait_and_one_sign_up_uses_that_up(session):
    who = visitor()
    assert kind(who.get(path(session))) == "form"
    others_wait(10)
    wrong = who.post(path(session), answers(lead_name=""))
    assert (wrong.status_code, kind(wrong)) == (422, "form")
    assert who.post(path(session), answers()).status_code == 303
    assert Booking.objects.count() == 1
    assert kind(who.get(path(session))) == "10 parties are before you"


def test_a_form_that_needs_another_look_gets_its_time_anew(session, clock):
    who = visitor()
    who.get(path(session))
    clock(NOON + 14 * MINUTE)
    assert who.post(path(session), answers(lead_name="")).status_code == 422
    others_wait(10, since=NOON + 20 * MINUTE)
    clock(NOON + 20 * MINUTE)
    assert who.post(path(session), answers()).status_code == 303


def test_a_form_sent_without_having_been_let_in_is_not_taken_and_says_so(session):
    others_wait(10)
    response = visitor().post(path(session), answers())
    assert (response.status_code, kind(response)) == (503, "10 parties are before you")
    assert "Not sent yet: 10 parties are before you · " in response.content.decode()
    assert f"Send it again in {response['Retry-After']} seconds." in words(response)
    # A page that looked again by itself would lose what was typed.
    assert ("Refresh" in response, Booking.objects.count()) == (False, 0)


TYPED = answers(lead_name='Lin "<Xiaoyun>', access_needs="A ramp,\n[[again]] & </form>", token="one")


@pytest.mark.parametrize("turned_away", ["waiting", "before", "many", "sending", "too many"])
def test_what_was_typed_comes_back_with_each_page_that_does_not_take_it(
    session, clock, request, monkeypatch, settings, turned_away
):
    who = visitor()
    match turned_away:
        case "waiting":
            others_wait(10)
        case "before":
            settings.WAITING_ROOM = "on"
            Season.objects.update(opens_at=NOON + 10 * MINUTE)
        case "many":
            others_wait(0)
            for _ in range(pace.OF_ONE[0]):
                visitor().get(path(session))
        case "sending":
            who.get(path(session))
            asked(lambda redis: redis.set(f"waiting-room:sending:{ticket(who, session).number}", "another form"))
        case "too many":
            request.getfixturevalue("no_redis")()
            monkeypatch.setattr(middleware.load, "under_way", settings.SIGN_UPS_AT_ONCE)
    response = who.post(path(session), TYPED)
    assert "Your form was not taken yet. What you wrote is kept on this page" in words(response)
    assert fields(response) == TYPED


def test_what_came_back_is_taken_when_it_is_sent_again(session, clock):
    others_wait(2)
    who = visitor()
    back = fields(who.post(path(session), answers()))
    clock(NOON + 5 * SECOND)
    assert who.post(path(session), back).status_code == 303
    assert Booking.objects.count() == 1


def test_whose_answer_was_lost_gets_it_again_and_nobody_else_does(session):
    who, again = visitor(), visitor()
    who.get(path(session))
    again.cookies = who.cookies.copy()
    form = answers()
    others_wait(10)
    assert who.post(path(session), form).status_code == 303
    assert again.post(path(session), form).status_code == 303
    assert again.post(path(session), form | {"email": "another@visitors.example"}).status_code == 503
    assert again.post(path(session), answers()).status_code == 503
    assert Booking.objects.count() == 1


def test_a_copied_cookie_sends_one_form_at_a_time(session):
    who = visitor()
    who.get(path(session))
    asked(lambda redis: redis.set(f"waiting-room:sending:{ticket(who, session).number}", "another form"))
    response = who.post(path(session), answers())
    assert (response.status_code, kind(response)) == (409, "Another form of yours is being sent")
    assert Booking.objects.count() == 0


def test_the_form_says_until_when_it_may_be_sent_to_whoever_waited(session, clock):
    others_wait(2)
    who = visitor()
    who.get(path(session))
    clock(NOON + 5 * SECOND)
    assert "It is your turn. Send this form by 20:15, Beijing time." in words(who.get(path(session)))
    assert "It is your turn." not in words(visitor(1).get(path(session)))


def test_who_never_waited_is_not_told_that_its_turn_has_come_when_its_form_comes_back(session, clock):
    who = visitor()
    who.get(path(session))
    for minutes in (1, 2, 3):
        clock(NOON + minutes * MINUTE)
        back = who.post(path(session), answers(lead_name=""))
        assert (back.status_code, "It is your turn." in words(back)) == (422, False)


# What is said


def test_whoever_waits_is_told_its_place_the_pace_and_the_time_in_both_languages(session):
    others_wait(1234, pace=10)
    response = visitor().get(path(session))
    assert words(response).partition("Waiting for the form ")[2].partition(" Look now")[0] == (
        "About 1,200 parties are before you "
        "About 600 parties a minute get the form: your turn comes in about 2 minutes. "
        "This device keeps your turn, also while it sleeps or the page is closed; once it has come, for 15 minutes. "
        f"This page looks again in {again_in(response)} seconds."
    )
    assert "<title>About 1,200 parties are before you · Northgate Car Works</title>" in response.content.decode()
    assert (response.status_code, response["Cache-Control"]) == (200, "private, no-store")
    assert (21 <= again_in(response) <= 26, response["Refresh"].partition("; ")[2]) == (True, f"url={path(session)}")
    chinese = visitor(1).get(path(session, "zh-hans")).content.decode()
    assert ('<html lang="zh-Hans"' in chinese, "北门汽车厂" in chinese, "[[" in chinese) == (True, True, False)


def test_whoever_waits_for_a_session_that_filled_up_meanwhile_is_told_so(session):
    others_wait(10)
    who = visitor()
    assert "taken by now" not in words(who.get(path(session)))
    make_booking(session, size=session.capacity)
    forget()
    assert "The places of this session are taken by now: your turn leads to its waitlist." in words(
        who.get(path(session))
    )


def test_a_look_asks_redis_once_and_the_database_never(session, monkeypatch):
    others_wait(10)
    who = visitor()
    who.get(path(session))
    asks, sent = Redis.execute_command, []

    def counted(redis, *words, **options):
        sent.append(words[0])
        return asks(redis, *words, **options)

    monkeypatch.setattr(Redis, "execute_command", counted)
    with CaptureQueriesContext(connection) as queries:
        assert kind(who.get(path(session))) == "10 parties are before you"
    assert (len(queries), sent) == (0, ["EVALSHA"])


# Before the opening


def test_the_order_of_those_who_came_before_the_opening_does_not_depend_on_when_they_came():
    """Chi-square of quarters of arrival against quarters of the line: 27.9 is passed once in a thousand."""
    came = [f"{number:024x}" for number in range(4000)]
    stand = sorted(came, key=lambda number: place_of(number, 1, opens_at=1000.0))
    table = [[0] * 4 for _ in range(4)]
    for where, number in enumerate(stand):
        table[int(number, 16) // 1000][where // 1000] += 1
    assert sum((found - 250) ** 2 / 250 for row in table for found in row) < 27.9
    assert sorted(came, key=lambda number: place_of(number, 2, opens_at=1000.0)) != stand


def test_those_who_came_before_the_opening_stand_shuffled_before_all_later_ones(before, clock):
    early = [visitor(number) for number in range(25)]
    for number, who in enumerate(early):
        clock(NOON - 10 * MINUTE + number * SECOND)
        who.get(path(before))
    clock(NOON)
    others_wait(0)
    late = visitor(100)
    assert kind(late.get(path(before))) == "About 25 parties are before you"
    stand = [stands_at(who, before) for who in early]
    assert (sorted(stand), stand == sorted(stand)) == (list(range(25)), False)


def test_a_crowd_before_the_opening_sees_the_room_and_a_few_do_not(before, clock):
    few = [visitor(number).get(path(before)) for number in range(pace.CROWD_BEFORE_OPENING)]
    assert {kind(response) for response in few} == {NOT_YET}
    response = visitor(100).get(path(before))
    assert (kind(response), 25 <= again_in(response) <= 35) == ("Sign-up opens at 20:00 today", True)
    again = visitor(100)
    tickets = [again.get(path(before)).cookies.keys() for _look in range(2)]
    assert [list(names) for names in tickets] == [[f"waiting_room_{before.season_id}"], []]


def test_everybody_who_is_early_gets_a_ticket_though_pages_are_kept(before, own_clock):
    first, second = visitor(1), visitor(2)
    first.get(path(before))
    looks = [who.get(path(before)) for who in (first, second)]
    assert [kind(look) for look in looks] == [NOT_YET] * 2
    assert [look["Cache-Control"] for look in looks] == ["private, no-store"] * 2
    assert list(second.cookies) == [f"waiting_room_{before.season_id}"]


def test_the_page_of_a_session_leads_to_where_one_waits_for_the_opening(before, client):
    page = client.get(f"/en/sessions/{before.pk}/").content.decode()
    assert f'href="{path(before)}">Wait for the opening</a>' in page


def test_near_the_opening_a_page_looks_next_when_its_own_turn_comes_and_never_before_it(before, clock):
    others_come_before_opening(before, 400)
    clock(NOON - 20 * SECOND)
    looks = [again_in(visitor(number).get(path(before))) for number in range(80)]
    # So many, that chance cannot give all of them nearly the same turn.
    assert (min(looks) >= 20, len(set(looks)) > 5, max(looks) <= 20 + 2 + 480 / pace.at_first(0)) == (True,) * 3


def test_an_opening_that_is_moved_moves_whoever_waits_for_it(before, clock):
    others_come_before_opening(before, 30)
    who = visitor()
    assert kind(who.get(path(before))) == "Sign-up opens at 20:00 today"
    before.season.opens_at = NOON + HOUR / 2
    before.season.save()
    clock(NOON + SECOND)
    visitor(1).get(path(before))
    assert asked(lambda redis: redis.zscore(line.TURNS, ticket(who, before).number))
    assert kind(who.get(path(before))) == NOT_YET
    assert [
        asked(lambda redis, key=key: redis.zscore(key, ticket(who, before).number)) for key in (line.TURNS, line.INSIDE)
    ] == [None, None]
    moved = place_of(ticket(who, before).number, before.season_id, opens_at=seconds(NOON + HOUR / 2))
    assert ticket(who, before).place == pytest.approx(moved, abs=1e-6)


# What is kept


def test_a_place_is_kept_over_a_reload_and_in_another_process(session, clock):
    others_wait(3)
    first, second = visitor(1), visitor(2)
    first.get(path(session))
    clock(NOON + SECOND / 10)
    assert kind(second.get(path(session))) == "4 parties are before you"
    forget()
    elsewhere = visitor(2)
    elsewhere.cookies = first.cookies.copy()
    assert kind(elsewhere.get(path(session, "zh-hans"))) == kind(first.get(path(session, "zh-hans")))
    assert stands_at(elsewhere, session) == 3


def test_a_forged_or_old_ticket_is_none(session, clock):
    others_wait(3)
    who = visitor()
    who.get(path(session))
    name = f"waiting_room_{session.season_id}"
    mine = who.cookies[name].value
    clock(NOON + SECOND / 10)
    visitor(1).get(path(session))
    clock(NOON + SECOND / 5)
    signature = mine.rpartition(":")[2]
    who.cookies[name] = f"{'f' * 24}~{seconds(NOON - MINUTE)}~{seconds(NOON + MINUTE):.0f}:{signature}"
    assert kind(who.get(path(session))) == "5 parties are before you"
    who.cookies[name] = mine
    assert kind(who.get(path(session))) == "3 parties are before you"
    later = NOON + timedelta(seconds=pace.TICKET_GOOD_FOR + 1)
    others_wait(7, since=later)
    clock(later)
    asked(lambda redis: redis.zremrangebyscore(line.LINE, "-inf", seconds(NOON + SECOND)))
    assert kind(who.get(path(session))) == "7 parties are before you"


def test_who_sleeps_past_its_turn_has_it_for_a_quarter_of_an_hour_and_then_stands_at_the_head(session, clock):
    others_wait(0)
    awake, asleep = visitor(1), visitor(2)
    for who in (awake, asleep):
        who.get(path(session))
    other = visitor(3)
    clock(NOON + 5 * SECOND)
    assert kind(other.get(path(session))) == "form"
    clock(NOON + 9 * MINUTE)
    others_wait(0, since=NOON + 9 * MINUTE)
    assert kind(awake.get(path(session))) == "form"
    others_wait(0, since=NOON + 20 * MINUTE)
    clock(NOON + 20 * MINUTE)
    assert kind(other.get(path(session))) != "form"
    assert kind(asleep.get(path(session))) == "You are next"
    clock(NOON + 20 * MINUTE + SECOND)
    assert kind(asleep.get(path(session))) == "form"


def test_whose_page_is_gone_costs_the_others_no_time(session, clock):
    others_wait(50)
    who = visitor()
    assert kind(who.get(path(session))) == "About 50 parties are before you"
    clock(NOON + 5 * SECOND)
    assert kind(who.get(path(session))) == "About 45 parties are before you"
    asked(lambda redis: redis.delete(line.DUE))
    clock(NOON + 6 * SECOND)
    assert kind(who.get(path(session))) == "form"


def test_a_line_that_is_lost_is_made_anew_in_the_old_order(session, clock):
    others_wait(0)
    came = [visitor(number) for number in range(3)]
    for number, who in enumerate(came):
        clock(NOON + number * SECOND / 10)
        who.get(path(session))
    inside = visitor(5)
    asked(lambda redis: redis.flushdb())
    assert kind(inside.get(path(session))) == "form"
    asked(lambda redis: redis.flushdb())
    others_wait(0)
    clock(NOON + SECOND / 2)
    for who in reversed(came):
        who.get(path(session))
    assert [stands_at(who, session) for who in came] == [0, 1, 2]
    assert inside.post(path(session), answers()).status_code == 303


# Who takes more than a share


def test_an_address_has_its_share_of_the_line_and_the_others_are_not_kept_out(session, clock):
    others_wait(0, since=NOON + SECOND)
    at_once = []
    for number in range(pace.OF_ONE[0] + 3):
        clock(NOON + number * SECOND / 100)
        at_once.append(kind(visitor().get(path(session))))
    assert at_once[-4:] == ["19 parties are before you", *["Many on your network are waiting already"] * 3]
    assert kind(visitor(1).get(path(session))) == "About 20 parties are before you"
    neighbours = [Client(REMOTE_ADDR=f"203.0.0.{number}") for number in range(10, 60)]
    got = [kind(who.get(path(session))) for who in neighbours]
    assert got.count("Many on your network are waiting already") == len(neighbours) - (
        pace.OF_A_NETWORK[0] - pace.OF_ONE[0]
    )


def test_tickets_stored_in_a_quiet_hour_have_no_more_than_their_share_in_a_rush(session, clock):
    stored = []
    for number in range(25):
        clock(NOON + number * SECOND)
        stored.append(visitor())
        assert kind(stored[-1].get(path(session))) == "form"
    clock(NOON + HOUR)
    others_wait(0, since=NOON + HOUR)
    got = [kind(who.get(path(session))) for who in stored]
    assert got[20:] == ["Many on your network are waiting already"] * 5
    others_wait(1000, since=NOON + 2 * HOUR)
    clock(NOON + 2 * HOUR)
    assert kind(visitor().get(path(session))) == "Many on your network are waiting already"


def test_of_a_long_line_an_address_may_have_more(session):
    others_wait(3000)
    got = [kind(visitor().get(path(session))) for _ in range(pace.OF_ONE[0] + 3)]
    assert set(got) == {"About 3,000 parties are before you"}


def test_behind_a_proxy_that_nobody_named_all_count_as_nobody(session, settings):
    others_wait(0)
    assert "Many on your network are waiting already" not in [
        kind(Client().get(path(session))) for _ in range(pace.OF_ONE[0] + 3)
    ]


def test_hosts_see_how_many_wait_and_the_pace(session, admin_client):
    overview = f"/en/admin/bookings/season/{session.season_id}/overview/"
    assert "waiting room" not in words(admin_client.get(overview))
    others_wait(1204, pace=10)
    assert "1204 visitors stand in the waiting room before the sign-up form. 600 a minute are let in." in words(
        admin_client.get(overview)
    )


# Without Redis


@contextmanager
def all_at_work(settings):
    """As many sign-ups are under way in this process as it takes at a time."""
    with ExitStack() as others:
        for _ in range(settings.SIGN_UPS_AT_ONCE):
            others.enter_context(middleware.load.one_more(at_once=settings.SIGN_UPS_AT_ONCE))
        yield


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "More people are here than we can serve at this moment"), ("zh-hans", "")],
)
def test_without_redis_a_process_takes_as_many_as_it_can_and_turns_the_others_away(
    session, settings, no_redis, language, said
):
    let_in = visitor(1)
    let_in.get(path(session))
    no_redis()
    who = visitor()
    with all_at_work(settings):
        response = who.get(path(session, language))
        assert (response.status_code, 18 <= int(response["Retry-After"]) <= 22) == (503, True)
        assert said in kind(response)
        assert ('<html lang="zh-Hans"' in response.content.decode()) == (language == "zh-hans")
        assert let_in.post(path(session), answers()).status_code == 303
    assert who.post(path(session, language), answers(email="late@visitors.example")).status_code == 303


def test_whoever_got_the_form_without_redis_sends_it_whoever_else_is_there(session, settings, clock, no_redis):
    no_redis()
    quick, slow, stranger = visitor(1), visitor(2), visitor(3)
    assert [kind(who.get(path(session))) for who in (quick, slow)] == ["form"] * 2
    clock(NOON + 14 * MINUTE)
    with all_at_work(settings):
        assert stranger.post(path(session), answers()).status_code == 503
        assert slow.post(path(session), answers(lead_name="")).status_code == 422
        assert quick.post(path(session), answers()).status_code == 303
        assert quick.post(path(session), answers(email="b@visitors.example")).status_code == 503
        clock(NOON + 28 * MINUTE)
        assert slow.post(path(session), answers(email="c@visitors.example")).status_code == 303


def test_nobody_is_let_in_before_the_opening_for_want_of_redis(before, settings, clock, no_redis):
    no_redis()
    who = visitor()
    assert kind(who.get(path(before))) == NOT_YET
    clock(NOON + SECOND)
    with all_at_work(settings):
        assert who.get(path(before)).status_code == 503
