"""A program that asks 200 times a second beside people: it gets its share, they get theirs, nobody types twice."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory

from bookings.domain.retention import erase_due
from bookings.models import Allowance, Booking, Notice, Party
from portal import limits, shared
from portal.forms.stamp import new_stamp
from portal.limits import Limit, wait_before
from portal.services import find_broker
from tests.factories import HOUR, NOON, make_booking, make_house, make_session
from tests.portal.pages import words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

SECOND = timedelta(seconds=1)
TEN_A_MINUTE = Limit("test", 10, 10)


@pytest.fixture
def session():
    make_house()
    return make_session(capacity=120, max_parties=40)


@pytest.fixture
def no_redis(settings):
    settings.SHARED_REDIS_URL = ""
    shared.shared_redis.cache_clear()
    yield
    shared.shared_redis.cache_clear()


def answers(email, **given):
    return {
        "size": "2",
        "lead_name": "Lin Xiaoyun",
        "lead_age": "18-",
        "email": email,
        "name_2": "Wei Jun",
        "age_2": "6-17",
        "submission_key": new_stamp(now=NOON - HOUR),
    } | given


def ask(session, email, *, comes_from="198.51.100.7", language="en", **given):
    path = f"/{language}/sessions/{session.pk}/sign-up/"
    return Client(REMOTE_ADDR=comes_from).post(path, answers(email, **given))


# A program beside people


def play_the_opening(session, clock, *, seconds, people):
    """Sign-up opens at noon. A program asks 200 times a second from all addresses of one network, each time for another
    address of mail and with a form of its own; people, each from another network, are done after 5 to 30 s."""
    asking = [(5 + number / 4, f"198.51.{number}.7", f"person{number}@people.example") for number in range(people)]
    asking += [
        (3 + number / 200, f"203.0.113.{1 + number % 254}", f"bot{number}@program.example")
        for number in range(int(200 * seconds))
    ]
    for after, comes_from, email in sorted(asking):
        clock(NOON + after * SECOND)
        ask(session, email, comes_from=comes_from, size="1", submission_key=new_stamp(now=NOON))
    held = Booking.objects.holding().values_list("party__email", flat=True)
    return {who: sum(email.endswith(who) for email in held) for who in ("@program.example", "@people.example")}


@pytest.mark.any_database
def test_a_program_beside_a_hundred_people_gets_its_share(session, clock):
    assert play_the_opening(session, clock, seconds=2, people=100) == {"@program.example": 4, "@people.example": 36}
    assert Party.objects.filter(email__endswith="@people.example").count() == 100
    assert Party.objects.filter(email__endswith="@program.example").count() == 60 + 1


@pytest.mark.any_database
def test_twin_without_limits_the_program_has_all_places_before_anybody_has_read_the_form(session, clock, settings):
    settings.ASKINGS_AN_ADDRESS = settings.ASKINGS_A_NETWORK = 60_000
    settings.UNPROVEN_SHARE_A_NETWORK = 100
    assert play_the_opening(session, clock, seconds=0.25, people=5) == {"@program.example": 40, "@people.example": 0}


# Where the buckets are kept


def counted(seconds, *, start=NOON):
    """How many of 200 askings a second count."""
    limit = Limit("test", 60, 60)
    times = [start + number * SECOND / 200 for number in range(200 * seconds)]
    return sum(wait_before([(limit, "somebody")], now=now) == 0 for now in times)


@pytest.fixture
def own_redis(settings, tmp_path):
    broker = find_broker(tmp_path / "broker")
    settings.SHARED_REDIS_URL = broker.url
    shared.shared_redis.cache_clear()
    yield broker
    shared.shared_redis.cache_clear()
    shared.Silence.until = 0.0


def test_when_redis_stops_in_the_middle_rows_go_on_counting(own_redis):
    with own_redis:
        before = counted(2)
        assert (before, Allowance.objects.count()) == (60 + 1, 0)
    assert (counted(2, start=NOON + 2 * SECOND), Allowance.objects.count()) == (60 + 1, 1)


def outcomes():
    """What askings in one moment, and more some seconds later, are told: seconds to wait. Two share a limit."""
    both = [(TEN_A_MINUTE, "lin"), (Limit("all", 12, 12), "network")]
    told = [wait_before(both, now=NOON) for _ in range(11)]
    told += [wait_before([(Limit("all", 12, 12), "network")], now=NOON) for _ in range(3)]
    told += [wait_before(both, now=NOON + seconds * SECOND) for seconds in (3, 5, 6, 7, 12, 600)]
    return told


OUTCOMES = [*[0] * 10, 6, 0, 0, 5, 3, 1, 0, 5, 0, 0]


def what_one_refusal_costs_the_other_bucket():
    """Of many pairs, since the one that is asked first is so by chance."""
    for number in range(8):
        one, two = (Limit("one", 1, 1), f"lin{number}"), (Limit("two", 2, 2), f"lin{number}")
        yield [wait_before(asked, now=NOON) for asked in ([one, two], [one, two], [two], [two])]


def test_redis_counts_and_what_is_refused_is_counted_nowhere():
    assert outcomes() == OUTCOMES
    assert list(what_one_refusal_costs_the_other_bucket()) == [[0, 60, 0, 30]] * 8
    assert not Allowance.objects.exists()


@pytest.mark.usefixtures("no_redis")
def test_rows_count_as_redis_does():
    assert outcomes() == OUTCOMES
    assert list(what_one_refusal_costs_the_other_bucket()) == [[0, 60, 0, 30]] * 8


@pytest.mark.usefixtures("no_redis")
def test_rows_that_say_nothing_any_more_are_forgotten():
    wait_before([(TEN_A_MINUTE, "lin")], now=NOON)
    for now, left in ((NOON, 1), (NOON + 6 * SECOND, 0)):
        erase_due(now=now)
        assert Allowance.objects.count() == left


def test_nothing_that_is_kept_names_an_address(session, settings):
    ask(session, "lin@visitors.example")
    redis: Any = shared.shared_redis()
    names = sorted(redis.keys("limit:*"))
    assert [re.fullmatch(rb"limit:[0-9a-f]{40}", name) is not None for name in names] == [True] * 4
    assert [redis.get(name).isdigit() and redis.pttl(name) > 0 for name in names] == [True] * 4
    settings.SECRET_KEY = "another key, as another house has"
    ask(session, "lin@visitors.example")
    assert len(redis.keys("limit:*")) == 8


# What is told


def asked_too_often(session, *, times=6, **given):
    """The last answer to one person who asks again and again."""
    return [ask(session, "lin@visitors.example", **given) for _ in range(times + 1)][-1]


def test_whoever_asks_too_often_reads_when_to_press_again_and_loses_nothing(session, clock):
    given = {
        "lead_name": "Lin <Xiaoyun>",
        "access_needs": "A chair.",
        "submission_key": new_stamp(now=NOON - HOUR),
    }
    refused = asked_too_often(session, **given)
    assert (refused.status_code, refused["Retry-After"]) == (429, "10")
    kept = ["Lin &lt;Xiaoyun&gt;", "A chair.", "lin@visitors.example", given["submission_key"]]
    assert [typed for typed in kept if typed not in refused.content.decode()] == []
    assert "What you wrote is still here: press again in 10 seconds." in words(refused)
    clock(NOON + 10 * SECOND)
    assert ask(session, "lin@visitors.example", **given).status_code == 303


def test_it_is_told_in_the_language_of_the_page(session):
    refused = asked_too_often(session, language="zh-hans")
    assert refused.status_code == 429
    assert 'lang="zh-Hans"' in refused.content.decode()


def test_a_flood_is_answered_with_one_plain_page_and_without_the_database(session, django_assert_num_queries):
    asked_too_often(session, times=16)
    with django_assert_num_queries(0):
        refused = ask(session, "lin@visitors.example")
    assert (refused.status_code, refused["Retry-After"]) == (429, "10")
    assert "We have not looked at this yet." in words(refused)
    assert Notice.objects.count() == 2  # To prove the mailbox, and that the party is in already.


def test_nobody_shuts_another_person_out_by_asking_in_its_name(session):
    assert asked_too_often(session).status_code == 429
    assert ask(session, "lin@visitors.example", comes_from="192.0.2.1").status_code == 303


def test_whom_no_named_proxy_tells_is_one_network_too(session, settings):
    settings.TRUSTED_PROXIES = ["unix"]
    told = [ask(session, f"lin{number}@visitors.example", comes_from="") for number in range(21)]
    assert [answer.status_code for answer in told] == [303] * 20 + [429]
    assert Booking.objects.holding().count() == 4


@pytest.mark.parametrize("comes_from", ["127.0.0.1", "172.18.0.1", ""])
def test_behind_a_proxy_that_nobody_named_the_house_is_not_one_visitor(session, comes_from):
    told = [ask(session, f"lin{number}@visitors.example", comes_from=comes_from) for number in range(21)]
    assert [answer.status_code for answer in told] == [303] * 21
    assert Booking.objects.holding().count() == 21
    assert asked_too_often(session, comes_from=comes_from).status_code == 303


def test_behind_such_a_proxy_a_form_is_sent_no_oftener_than_elsewhere(session):
    given = {"submission_key": new_stamp(now=NOON - HOUR), "comes_from": "127.0.0.1"}
    told = [ask(session, f"lin{number}@visitors.example", **given) for number in range(7)]
    assert [answer.status_code for answer in told] == [303] * 6 + [429]


def test_a_school_behind_one_address_may_ask_ten_times_as_often(session, settings):
    request = RequestFactory(REMOTE_ADDR="203.0.113.9").post("/", {"email": "lin@visitors.example"})

    def askings(what):
        return [wait_before(limits._neighbours(request, what), now=NOON) for _ in range(201)].count(0)

    assert askings("before") == 20
    settings.LARGE_NETWORKS = ["2001:db8::/32", "203.0.113.8/29"]
    assert askings("after") == 200


def test_links_are_sent_as_often_as_somebody_may_ask():
    make_house()
    lin = Client(REMOTE_ADDR="198.51.100.7")
    told = [lin.post("/en/link/", {"email": "lin@visitors.example"}) for _ in range(7)]
    assert [answer.status_code for answer in told] == [303] * 6 + [429]
    assert "lin@visitors.example" in told[-1].content.decode()
    assert told[-1]["Retry-After"] == "10"


def test_guessed_links_are_refused_and_the_right_one_opens_all_the_same(session):
    party = make_booking(session).party
    somebody = Client(REMOTE_ADDR="198.51.100.7")
    guesses = [somebody.get(f"/en/visit/{party.code}/{number:043x}/").status_code for number in range(21)]
    assert guesses == [404] * 20 + [429]
    assert somebody.get(f"/en/mail/stop/{party.code}/{0:043x}/").status_code == 429
    assert somebody.get(f"/en/visit/{party.code}/{party.link_token}/").status_code == 303
