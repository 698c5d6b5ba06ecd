"""Swapping with another party: the way there, what is told of others, and what is pressed."""

import re

import pytest

from bookings.domain import swaps
from bookings.models import Booking, SwapWish
from tests.acts import owed
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_offered,
    make_season,
    make_session,
    make_waiting,
)
from tests.portal.pages import links, words
from tests.portal.visits import address, dump, enter, press

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]

SWAP = "swap/"
WITHDRAW = "swap/withdraw/"
LATER = START + 7 * DAY
HERE, THERE = "Saturday 13 February, 09:30", "Saturday 20 February, 09:30"


@pytest.fixture
def pair():
    """Two parties of two, each in a full session of its own, a week apart."""
    season = make_season()
    return tuple(make_booking(make_session(season=season, capacity=2, starts_at=at)) for at in (START, LATER))


def page(client, booking, act="", language="en"):
    return enter(client, booking.party).get(address(booking.party, act, language))


def answer(response):
    return response.status_code, response.get("Location")


def wish(booking, *sessions, now=NOON):
    return swaps.wish_swap(booking.party_id, session_pks=[session.pk for session in sessions], now=now)


def ticked(booking, *sessions):
    return {"booking": booking.pk, "sessions": [session.pk for session in sessions]}


def leads(client, booking):
    return address(booking.party, SWAP) in links(page(client, booking))


def checked(response):
    """The sessions whose boxes are ticked."""
    boxes = re.findall(r'<input type="checkbox"[^>]*>', response.content.decode())
    return [int(re.findall(r'value="(\d+)"', box)[0]) for box in boxes if " checked" in box]


def confirmed_in(booking):
    return Booking.objects.get(party=booking.party_id, status="confirmed").session


# The way there


def test_a_confirmed_party_is_led_to_the_page_and_told_what_a_swap_is(client, pair):
    mine, _theirs = pair
    assert leads(client, mine)
    told = words(page(client, mine))
    assert "You can exchange your places with a party of another session, if both say yes." in told
    told = words(page(client, mine, SWAP))
    assert f"Your 2 places on {HERE} stay yours until a swap is done." in told.replace("\xa0", " ")
    for sentence in (
        "That is your yes: it stands until you withdraw it.",
        "When a confirmed party there wants your date, you exchange places at once. Nobody asks you again.",
        "Both parties get a mail with their new date. Neither learns who the other is.",
    ):
        assert sentence in told


def test_whoever_has_an_offer_to_answer_is_not_led_there_and_a_press_is_told_why(client, pair):
    mine, theirs = pair
    make_offered(party=mine.party)
    assert not leads(client, mine)
    response = press(client, mine.party, SWAP, None, **ticked(mine, theirs.session))
    assert (response.status_code, str(swaps.AnswerFirst()) in words(response)) == (409, True)
    assert SwapWish.objects.count() == 0


def test_once_the_roster_is_locked_nobody_is_led_there_and_a_press_is_told_why(client, clock, pair):
    mine, theirs = pair
    clock(mine.session.roster_locks_at)
    assert not leads(client, mine)
    assert answer(page(client, mine, SWAP)) == (303, address(mine.party))
    response = press(client, mine.party, SWAP, None, **ticked(mine, theirs.session))
    assert (response.status_code, str(swaps.RosterIsFixed()) in words(response)) == (409, True)


def test_where_the_season_has_no_other_session_there_is_nothing_to_swap(client):
    mine = make_booking()
    assert not leads(client, mine)
    assert answer(page(client, mine, SWAP)) == (303, address(mine.party))


def test_parties_that_hold_no_places_are_not_led_there(client):
    for booking in (make_waiting(), make_offered()):
        assert not leads(client, booking)
        assert answer(page(client, booking, SWAP)) == (303, address(booking.party))


def test_the_pages_are_open_only_through_the_partys_link(client, pair):
    mine, theirs = pair
    wish(theirs, mine.session)
    number = SwapWish.objects.get().pk
    for act in (SWAP, WITHDRAW, f"{SWAP}{number}/"):
        assert client.get(address(mine.party, act)).status_code == 403
        assert client.post(address(mine.party, act)).status_code == 403
    assert SwapWish.objects.count() == 1


# Wishing


def test_a_wish_is_kept_and_shown_in_one_line(client, pair):
    mine, theirs = pair
    enter(client, mine.party)
    for _press in range(2):
        response = press(client, mine.party, SWAP, None, **ticked(mine, theirs.session))
        assert answer(response) == (303, address(mine.party) + "#swap")
    assert 'id="swap"' in page(client, mine).content.decode()
    assert [(each.booking, each.wanted) for each in SwapWish.objects.all()] == [(mine, theirs.session)]
    told = words(page(client, mine)).replace("\xa0", " ")
    assert f"You wish to swap into: {THERE} . Your places stay yours until a party there swaps with you." in told
    assert [theirs.session_id] == checked(page(client, mine, SWAP))


def test_a_wish_that_meets_another_is_a_swap_at_once_and_the_second_press_changes_nothing(client, pair):
    mine, theirs = pair
    wish(theirs, mine.session)
    enter(client, mine.party)
    for _press in range(2):
        response = press(client, mine.party, SWAP, None, **ticked(mine, theirs.session))
        assert answer(response) == (303, address(mine.party))
    assert (confirmed_in(mine), confirmed_in(theirs)) == (theirs.session, mine.session)
    assert owed() == [("swapped", mine.party_id), ("swapped", theirs.party_id)]
    told = words(page(client, mine)).replace("\xa0", " ")
    assert "See you on Saturday 20 February at 09:30" in told
    assert "You swapped with another party, and its places became yours." in told
    assert "Your places went to another party, which you swapped with." in told
    assert "There was room" not in told


@pytest.mark.parametrize("chosen", [[], ["987654"], ["x"]])
def test_without_a_date_of_the_list_nothing_is_wished(client, pair, chosen):
    mine, theirs = pair
    wish(mine, theirs.session)
    before = dump()
    response = press(enter(client, mine.party), mine.party, SWAP, mine, sessions=chosen)
    assert (response.status_code, words(response).count("Choose at least one date.") > 0) == (422, True)
    assert dump() == before


def test_a_wish_can_be_withdrawn(client, pair):
    mine, theirs = pair
    assert "Withdraw our wish" not in words(page(client, mine, SWAP))
    wish(mine, theirs.session)
    assert "Withdraw our wish" in words(page(client, mine, SWAP))
    for _press in range(2):
        assert answer(press(client, mine.party, WITHDRAW)) == (303, address(mine.party))
    assert SwapWish.objects.count() == 0


# Saying yes


def test_another_partys_wish_is_shown_without_a_name_and_asked_about_once_more(client, pair):
    mine, theirs = pair
    wish(theirs, mine.session)
    yes = address(mine.party, f"{SWAP}{SwapWish.objects.get().pk}/")
    assert "Another party would like to have your date." in words(page(client, mine))
    shown = page(client, mine, SWAP)
    told = words(shown).replace("\xa0", " ")
    assert f"A party of 2 on {THERE} would like to have your date." in told
    assert yes in links(shown)
    before = dump()
    asked = client.get(yes)
    told = words(asked).replace("\xa0", " ")
    assert f"Swap into {THERE}?" in told
    assert "The other party, of 2, has said yes already: you exchange places at once and cannot take it back." in told
    assert dump() == before, "looking changes nothing"
    for response in (shown, asked):
        assert [each for each in (theirs.party.code, theirs.party.email) if each in response.content.decode()] == []


def test_a_yes_swaps_and_twice_is_once(client, pair):
    mine, theirs = pair
    wish(theirs, mine.session)
    act = f"{SWAP}{SwapWish.objects.get().pk}/"
    enter(client, mine.party)
    for _press in range(2):
        assert answer(press(client, mine.party, act)) == (303, address(mine.party))
    assert (confirmed_in(mine), confirmed_in(theirs)) == (theirs.session, mine.session)


def test_a_wish_that_is_gone_is_told_on_the_partys_page(client, pair):
    mine, theirs = pair
    wish(theirs, mine.session)
    act = f"{SWAP}{SwapWish.objects.get().pk}/"
    swaps.withdraw_swap(theirs.party_id, now=NOON)
    enter(client, mine.party)
    for response in (client.get(address(mine.party, act)), press(client, mine.party, act)):
        assert (response.status_code, words(response).count(str(swaps.SwapGone()))) == (409, 1)
    assert confirmed_in(mine) == mine.session


def test_whoever_waits_elsewhere_hears_that_this_ends(client, pair):
    mine, theirs = pair
    wish(theirs, mine.session)
    act = f"{SWAP}{SwapWish.objects.get().pk}/"
    assert "lines for other sessions end" not in words(page(client, mine, act)) + words(page(client, mine, SWAP))
    make_waiting(theirs.session, party=mine.party)
    assert "Your lines for other sessions end." in words(page(client, mine, act))
    assert "When you swap, your lines for other sessions end." in words(page(client, mine, SWAP))


@pytest.mark.parametrize("many", [2, 20])
def test_the_pages_ask_as_often_with_many_wishes(client, pair, many, django_assert_max_num_queries):
    mine, theirs = pair
    busy = make_session(season=mine.session.season, capacity=60)
    for number in range(many):
        wish(make_booking(busy), mine.session, now=NOON + number * HOUR)
    wish(mine, theirs.session)
    enter(client, mine.party)
    for act, most in (("", 18), (SWAP, 12)):
        with django_assert_max_num_queries(most):
            assert client.get(address(mine.party, act)).status_code == 200
