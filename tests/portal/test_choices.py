"""Other dates: the lines of a party, what it could have instead, and what it presses there."""

import pytest

from bookings.domain import choices, sessions, waitlist
from bookings.models import BookingStatus, Party
from tests.acts import owed, statuses
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    both,
    make_booking,
    make_full_session,
    make_offered,
    make_party,
    make_season,
    make_session,
    make_sign_up,
    make_waiting,
)
from tests.portal.pages import links, rows, words
from tests.portal.visits import address, dump, enter, press

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]

SESSIONS = "sessions/"
NONE = "sessions/none/"
LATER = START + 7 * DAY


def page(client, party, act=SESSIONS):
    return enter(client, party).get(address(party, act))


def answer(response):
    return response.status_code, response.get("Location")


def refused(response, sentence):
    return (response.status_code, words(response).count(sentence)) == (409, 1)


def lines(party):
    return [each.session for each in party.bookings.filter(status="waiting").order_by("preference", "pk")]


# The way there


def called_off(**given):
    """Its session was called off, and it has first call."""
    season = make_season()
    session = make_session(season=season, called_off_at=NOON, call_off_reason=both("A power cut.", "停电了。"))
    values = {"first_call_until": NOON + DAY} | given
    return make_booking(session, BookingStatus.CALLED_OFF, status_since=NOON, **values)


def requeued():
    offer = make_offered(make_full_session(capacity=4), offer_expires_at=NOON)
    make_waiting(offer.session)
    waitlist.lapse_offers(now=NOON)
    return offer


@pytest.mark.parametrize(
    ("make", "leads"),
    [
        pytest.param(lambda: make_waiting(make_full_session()), True, id="waiting"),
        pytest.param(requeued, True, id="requeued"),
        pytest.param(make_offered, True, id="offered"),
        pytest.param(make_booking, True, id="confirmed"),
        pytest.param(called_off, True, id="called off, first call"),
        pytest.param(lambda: called_off(first_call_until=NOON), False, id="called off, first call over"),
        pytest.param(lambda: called_off(first_call_until=None, ended_at=NOON), False, id="called off"),
        pytest.param(make_sign_up, False, id="places to prove"),
        pytest.param(lambda: make_waiting(make_full_session(), proven=False), False, id="a line to prove"),
        pytest.param(lambda: make_booking(status=BookingStatus.CHECKED_IN), False, id="here"),
        pytest.param(lambda: make_booking(status=BookingStatus.CANCELLED, ended_at=NOON), False, id="cancelled"),
    ],
)
def test_a_party_that_can_still_choose_is_led_to_the_other_dates(client, make, leads):
    party = make().party
    to_sessions = address(party, SESSIONS)
    assert (to_sessions in links(page(client, party, ""))) == leads
    found = client.get(to_sessions)
    assert answer(found) == ((200, None) if leads else (303, address(party)))


def test_once_its_tour_has_begun_a_party_is_led_nowhere(client, clock):
    party = make_booking().party
    clock(START)
    assert address(party, SESSIONS) not in links(page(client, party, ""))
    assert answer(client.get(address(party, SESSIONS))) == (303, address(party))


def test_other_dates_are_for_the_party_alone(client):
    party = make_booking().party
    assert client.get(address(party, SESSIONS)).status_code == 403
    for act in ("drop/", "order/", "wishes/", "1/join/", "1/take/"):
        assert client.post(address(party, SESSIONS + act)).status_code == 403


def test_what_only_a_press_changes_leads_back_when_it_is_opened(client):
    party = make_waiting(make_full_session()).party
    enter(client, party)
    before = dump()
    for act in ("drop/", "order/", "wishes/", f"{party.bookings.get().session_id}/join/"):
        assert answer(client.get(address(party, SESSIONS + act))) == (303, address(party, SESSIONS))
    assert dump() == before


# What it says


def a_season():
    """A full session that a party of two waits for; beside it one with room, one with too little, a line, one shut."""
    season = make_season(choices_allowed=2)
    own = make_waiting(make_full_session(season=season))
    day = iter(range(1, 9))

    def another(**given):
        return make_session(season=season, starts_at=START + next(day) * DAY, **given)

    room, little, full = another(), another(capacity=3), another(capacity=2)
    another(closed_at=NOON), another(called_off_at=NOON), another(roster_locks_at=NOON)
    make_booking(little), make_booking(full), make_waiting(full)
    make_session()  # Of another season.
    return own, room, little, full


def test_each_session_is_told_with_the_one_act_the_party_has_there(client):
    own, _room, _little, _full = a_season()
    found = page(client, own.party)
    assert rows(found) == [
        "09:30 20 free 20 free In Chinese Take 2 places , Sunday 14 February, 09:30",
        "09:30 Only 1 left 2 places confirmed · 1 place free In Chinese Wait here too , Monday 15 February, 09:30",
        "09:30 Waitlist All 2 places taken · 1 party waiting In Chinese Wait here too , Tuesday 16 February, 09:30",
    ]
    told = words(found)
    assert "You can wait for 2 sessions at a time. The first yes to any of them ends the others." in told
    assert "Saturday 13 February, 09:30 All 2 places taken · 1 party waiting Your number is 1." in told


def test_a_confirmed_party_moves_or_waits_and_keeps_its_places_meanwhile(client):
    own, _room, little, _full = a_season()
    held = make_booking(make_session(season=own.session.season, starts_at=LATER))
    found = page(client, held.party)
    assert "Your 2 places on Saturday 20 February, 09:30 are confirmed. You keep them until you say yes" in words(found)
    acts = [row.rpartition("In Chinese ")[2].partition(" ,")[0] for row in rows(found)]
    keep = "Wait here, keep our places meanwhile"
    assert acts == [keep, "Move here", keep, keep]
    assert address(held.party, f"{SESSIONS}{little.pk}/join/") in found.content.decode()


def test_whoever_holds_an_offer_is_reminded_to_answer_it(client):
    offer = make_offered(make_session(), offer_expires_at=NOON + HOUR)
    told = words(page(client, offer.party))
    assert "2 places on Saturday 13 February, 09:30 are yours until 21:00 today." in told
    assert "Answer the offer" in told


def test_with_all_lines_taken_nothing_is_offered_but_places(client):
    own, *_others, full = a_season()
    make_waiting(full, party=own.party, preference=2)
    found = page(client, own.party)
    assert "You wait for 2 sessions already. Leave one of these lines to wait for another." in words(found)
    assert ["Take 2 places" in row for row in rows(found)] == [True, False]
    assert ["Wait here" in row for row in rows(found)] == [False, False]


def test_first_call_is_told_with_its_end_and_where_it_can_be_used(client):
    gone = called_off()
    make_full_session(season=gone.session.season)
    own = make_waiting(make_full_session(season=gone.session.season), party=gone.party)
    on_its_page = words(page(client, gone.party, ""))
    told = words(client.get(address(gone.party, SESSIONS)))
    assert "You have first call until 20:00 tomorrow. Choose another date before everybody else can." in on_its_page
    assert "You have first call until 20:00 tomorrow." in told
    assert ("Use first call here" in told, "Wait here with first call" in told) == (True, True)

    press(client, own.party, f"{SESSIONS}{own.session_id}/join/")
    told = words(client.get(address(gone.party, SESSIONS)))
    assert ("Use first call here" in told, "You have first call here." in told) == (False, True)


def test_first_call_with_nothing_else_leads_to_another_date_and_to_no_new_sign_up(client):
    gone = called_off()
    make_session(season=gone.session.season)
    found = page(client, gone.party, "")
    assert "A power cut. You have first call until 20:00 tomorrow: choose another date before" in words(found)
    assert "Sessions with room" not in words(found)
    assert "Sessions you can choose" in words(client.get(address(gone.party, SESSIONS)))


def test_who_wants_no_other_date_is_asked_before_it_gives_up_first_call(client):
    gone = called_off()
    make_session(season=gone.session.season)
    ask = address(gone.party, NONE)
    before = dump()
    assert ask in links(page(client, gone.party, ""))
    asked = client.get(ask)
    assert dump() == before
    assert (
        "Give up first call? What you give up The first choice among the other dates, until 20:00 tomorrow. The places "
        "kept for you go to others at once, so you cannot take it back. Give up first call Keep first call"
    ) in words(asked)
    assert f'action="{ask}"' in asked.content.decode()


def test_a_party_that_waits_reads_that_its_lines_stay(client):
    gone = called_off()
    make_waiting(make_full_session(season=gone.session.season), party=gone.party)
    assert ("Your lines for other sessions stay." in words(page(client, gone.party, NONE))) is True


def test_who_gives_up_first_call_ends_it_in_one_press_and_a_second_is_harmless(client):
    gone = called_off()
    make_session(season=gone.session.season)
    enter(client, gone.party)

    pressed = [client.post(address(gone.party, NONE)).status_code for _press in range(2)]

    told = words(client.get(address(gone.party)))
    gone.party.refresh_from_db()
    assert (pressed, gone.party.first_call_until, gone.party.ended_at) == ([303, 303], None, NOON)
    assert ("You have first call" in told, "We are sorry that it does not work out this time." in told) == (False, True)
    assert answer(client.get(address(gone.party, NONE))) == (303, address(gone.party)), "nothing is left to give up"


def test_a_season_with_nothing_else_to_choose_says_so(client):
    assert "No other session of this season takes anybody now." in words(page(client, make_booking().party))


def test_the_page_asks_the_database_as_often_for_a_long_season_as_for_a_short_one(
    client, django_assert_num_queries, django_assert_max_num_queries
):
    own, *_others = a_season()
    enter(client, own.party)
    with django_assert_max_num_queries(20) as asked:
        client.get(address(own.party, SESSIONS))
    for days in range(20):
        make_full_session(season=own.session.season, starts_at=LATER + days * DAY)
    with django_assert_num_queries(len(asked)):
        client.get(address(own.party, SESSIONS))


# One more line, one less, another order


def test_a_line_is_joined_once_however_often_it_is_pressed(client):
    own, _room, _little, full = a_season()
    enter(client, own.party)
    for _press in range(2):
        response = press(client, own.party, f"{SESSIONS}{full.pk}/join/")
        assert answer(response) == (303, address(own.party, SESSIONS))
    assert lines(own.party) == [own.session, full]


def test_a_line_that_offers_at_once_leads_to_the_offer(client):
    season = make_season()
    held = make_booking(make_session(season=season))
    free = make_session(season=season)
    response = press(enter(client, held.party), held.party, f"{SESSIONS}{free.pk}/join/")
    assert answer(response) == (303, address(held.party))
    assert statuses(free) == {free.bookings.get(): "offered"}


@pytest.mark.parametrize("act", ["join/", "take/"])
def test_a_session_that_is_gone_is_refused_on_the_partys_page(client, act):
    own, *_others = a_season()
    gone = make_session(season=own.session.season, called_off_at=NOON)
    response = press(enter(client, own.party), own.party, f"{SESSIONS}{gone.pk}/{act}")
    assert refused(response, "This session will not take place.")


def test_one_line_more_than_allowed_is_refused_on_the_partys_page(client):
    own, _room, little, full = a_season()
    enter(client, own.party)
    press(client, own.party, f"{SESSIONS}{full.pk}/join/")
    response = press(client, own.party, f"{SESSIONS}{little.pk}/join/")
    assert refused(response, "You wait for as many sessions as this season allows. Leave one of these lines first.")


def test_a_line_is_left_once_and_the_others_stay(client):
    own, _room, _little, full = a_season()
    other = make_waiting(full, party=own.party, preference=2)
    enter(client, own.party)
    for _press in range(2):
        response = press(client, own.party, f"{SESSIONS}drop/", other)
        assert answer(response) == (303, address(own.party, SESSIONS))
    assert lines(own.party) == [own.session]


def test_leaving_the_last_line_leads_to_a_page_that_says_goodbye(client):
    own, *_others = a_season()
    press(enter(client, own.party), own.party, f"{SESSIONS}drop/", own)
    response = client.get(address(own.party, SESSIONS), follow=True)
    assert response.redirect_chain == [(address(own.party), 303)]
    own.party.refresh_from_db()
    assert own.party.ended_at == NOON


@pytest.mark.parametrize("booking", ["", "0", "-1", "x", "²", "9" * 30])
def test_a_line_that_is_not_its_own_is_not_left(client, booking):
    own, *_others = a_season()
    stranger = make_waiting(own.session)
    enter(client, own.party)
    for asked in (booking, str(stranger.pk)):
        response = press(client, own.party, f"{SESSIONS}drop/", booking=asked)
        assert refused(response, "You no longer wait for this session.")
    assert stranger.party.bookings.get().status == "waiting"


def test_wishes_are_moved_up_and_down_and_a_second_press_changes_nothing(client):
    own, _room, little, full = a_season()
    two = make_waiting(full, party=own.party, preference=2)
    three = make_waiting(little, party=own.party, preference=3)
    content = page(client, own.party).content.decode()
    orders = [
        f"{two.pk},{own.pk},{three.pk}",
        f"{own.pk},{three.pk},{two.pk}",
    ]
    assert [content.count(f'value="{order}"') for order in orders] == [2, 2], "down above is up below"
    for _press in range(2):
        response = press(client, own.party, f"{SESSIONS}order/", order=orders[0])
        assert answer(response) == (303, address(own.party, SESSIONS))
    assert lines(own.party) == [full, own.session, little]


@pytest.mark.parametrize("order", ["", ",", "x", "1,1", "9" * 40])
def test_an_order_of_other_lines_is_refused(client, order):
    own, *_others = a_season()
    response = press(enter(client, own.party), own.party, f"{SESSIONS}order/", order=order)
    assert refused(response, "Your choices have changed meanwhile. Look at them again.")


# Wishes


def test_wishes_are_kept_and_shown(client):
    own = make_waiting(make_full_session(), size=3)
    enter(client, own.party)
    for _press in range(2):
        response = press(client, own.party, f"{SESSIONS}wishes/", smallest_size="2", short_notice="on")
        assert answer(response) == (303, address(own.party, SESSIONS))
    own.refresh_from_db()
    assert (own.least, own.short_notice, own.party.smallest_size) == (2, True, 2)
    content = client.get(address(own.party, SESSIONS)).content.decode()
    assert ('<option value="2" selected>' in content, " checked" in content) == (True, True)

    press(client, own.party, f"{SESSIONS}wishes/", smallest_size="")
    own.refresh_from_db()
    assert (own.least, own.short_notice) == (3, False)


def test_a_size_outside_the_party_is_told_at_its_field(client):
    own = make_waiting(make_full_session(), size=2)
    response = press(enter(client, own.party), own.party, f"{SESSIONS}wishes/", smallest_size="2")
    assert (response.status_code, words(response).count("Choose a number from the list.")) == (422, 2)
    ended = make_booking(status=BookingStatus.CANCELLED, ended_at=NOON)
    response = press(enter(client, ended.party), ended.party, f"{SESSIONS}wishes/", smallest_size="2")
    assert refused(response, "There is nothing left to change.")


def test_who_comes_alone_is_not_asked_how_few(client):
    alone = make_waiting(make_full_session(), size=1)
    assert "Would fewer of you come, too?" not in words(page(client, alone.party))
    press(client, alone.party, f"{SESSIONS}wishes/", short_notice="on")
    alone.refresh_from_db()
    assert (alone.least, alone.short_notice) == (1, True)


# Places at once


def test_a_waiting_party_takes_places_with_one_press(client):
    own, room, *_others = a_season()
    enter(client, own.party)
    for _press in range(2):
        assert answer(press(client, own.party, f"{SESSIONS}{room.pk}/take/")) == (303, address(own.party))
    assert statuses(room) == {room.bookings.get(): "confirmed"}
    assert owed(own.party) == [("confirmed", own.party_id)]


def test_confirmed_places_are_given_up_only_after_both_dates_were_named(client):
    season = make_season()
    held = make_booking(make_session(season=season))
    room = make_session(season=season, starts_at=LATER)
    enter(client, held.party)
    take = address(held.party, f"{SESSIONS}{room.pk}/take/")
    assert take in links(client.get(address(held.party, SESSIONS)))
    before = dump()
    asked = client.get(take)
    assert answer(client.post(take))[0] == 200, "a press that names nothing is asked as well"
    assert dump() == before
    told = words(asked)
    assert "Move to Saturday 20 February, 09:30?" in told
    assert "You give up Saturday 13 February 2027 09:30–11:30 2 confirmed places" in told
    for _press in range(2):
        assert answer(client.post(take, {"given_up": held.pk})) == (303, address(held.party))
    assert statuses(held.session, room) == {held: "superseded", room.bookings.get(): "confirmed"}
    assert owed() == [("confirmed", held.party_id)]


def test_an_offer_is_named_before_it_is_given_up(client):
    season = make_season()
    offer = make_offered(make_session(season=season))
    room = make_session(season=season, starts_at=LATER)
    make_waiting(make_full_session(season=season), party=offer.party, preference=2)
    take = f"{SESSIONS}{room.pk}/take/"
    told = words(page(client, offer.party, take))
    assert "Come on Saturday 20 February, 09:30?" in told
    assert "2 places that are offered to you" in told
    assert "Your lines for other sessions end." in told
    press(client, offer.party, take, given_up=offer.pk)
    assert statuses(offer.session, room) == {offer: "withdrawn", room.bookings.get(): "confirmed"}


def test_a_page_that_names_what_the_party_no_longer_has_gives_nothing_up(client):
    season = make_season()
    held = make_booking(make_session(season=season))
    one, other = make_session(season=season, starts_at=LATER), make_session(season=season, starts_at=LATER + DAY)
    enter(client, held.party)
    choices.take_places(held.party_id, one.pk, now=NOON)
    response = press(client, held.party, f"{SESSIONS}{other.pk}/take/", given_up=held.pk)
    assert (response.status_code, "Move to Sunday 21 February, 09:30?" in words(response)) == (200, True)
    assert statuses(one, other) == {one.bookings.get(): "confirmed"}


def test_places_that_went_meanwhile_are_refused_with_what_else_can_be_done(client):
    season = make_season()
    held = make_booking(make_session(season=season))
    full = make_full_session(season=season, starts_at=LATER)
    take = f"{SESSIONS}{full.pk}/take/"
    assert answer(page(client, held.party, take)) == (303, address(held.party, SESSIONS))
    response = press(client, held.party, take, given_up=held.pk)
    assert refused(response, "All places of this session are taken. You can stand in its line.")
    assert statuses(held.session)[held] == "confirmed"


@pytest.mark.parametrize("act", [sessions.close_sign_up, sessions.call_off])
def test_first_call_takes_nothing_in_a_session_that_takes_nobody(client, act):
    gone = called_off()
    shut = make_session(season=gone.session.season, capacity=4)
    how = {"reason": "A power cut.", "who": "host:lin"} if act is sessions.call_off else {}
    act(shut.pk, now=NOON, **how)
    take = f"{SESSIONS}{shut.pk}/take/"
    assert answer(page(client, gone.party, take)) == (303, address(gone.party, SESSIONS))


def test_the_question_is_not_asked_of_who_cannot_move(client):
    ended = make_booking(status=BookingStatus.CANCELLED, ended_at=NOON)
    room = make_session(season=ended.session.season)
    assert answer(page(client, ended.party, f"{SESSIONS}{room.pk}/take/")) == (303, address(ended.party))
    held = make_booking()
    strange = make_session()
    assert answer(page(client, held.party, f"{SESSIONS}{strange.pk}/take/")) == (303, address(held.party, SESSIONS))


# An offer of fewer places


def fewer(**given):
    return make_offered(
        make_session(capacity=2),
        **{"size": 3, "smallest_size": 1, "places": 2, "queue_number": 4, "companions": ["Lin Jun", "Wei Ming"]}
        | given,
    )


def test_an_offer_of_fewer_places_says_so_and_asks_who_comes(client):
    offer = fewer()
    found = page(client, offer.party, "")
    told = words(found)
    assert "2 places became free, and you are 3. Say within 2 hours who comes, or wait for all of you:" in told
    assert "that costs nothing, and your number stays." in told
    assert "Lin Xiaoyun comes. Choose 1 more. Lin Jun Wei Ming" in told
    assert [act for act in ("Take the 2 places", "Wait for all 3", "Not this date") if act in told] == [
        "Take the 2 places",
        "Wait for all 3",
        "Not this date",
    ]


def test_one_place_is_offered_to_the_lead_alone(client):
    offer = fewer(places=1)
    found = page(client, offer.party, "")
    assert "The place would be for Lin Xiaoyun alone." in words(found)
    assert 'name="coming"' not in found.content.decode()
    assert answer(press(client, offer.party, "accept/", offer)) == (303, address(offer.party))
    assert (Party.objects.get().size, statuses(offer.session)) == (1, {offer: "confirmed"})


def test_those_who_come_are_ticked_and_the_others_are_no_longer_of_the_party(client):
    offer = fewer()
    enter(client, offer.party)
    for _press in range(2):
        assert answer(press(client, offer.party, "accept/", offer, coming="3")) == (303, address(offer.party))
    assert statuses(offer.session) == {offer: "confirmed"}
    party = Party.objects.get()
    assert (party.size, [name for name, _low, _high in party.people()]) == (2, ["Lin Xiaoyun", "Wei Ming"])


@pytest.mark.parametrize("coming", [[], ["2", "3"], ["7"], ["x"], ["9" * 30]])
def test_ticking_too_many_or_too_few_is_told_and_keeps_the_ticks(client, coming):
    offer = fewer()
    response = press(enter(client, offer.party), offer.party, "accept/", offer, coming=coming)
    assert refused(response, "Fewer places are kept for you than you are people. Choose who comes.")
    assert response.content.decode().count(" checked") == len({"2", "3"} & {*coming})
    assert statuses(offer.session) == {offer: "offered"}


def test_waiting_for_all_costs_nothing_and_pressing_twice_is_once(client):
    offer = fewer()
    enter(client, offer.party)
    for _press in range(2):
        assert answer(press(client, offer.party, "wait/", offer)) == (303, address(offer.party))
    offer.refresh_from_db()
    assert (offer.status, offer.queue_number, offer.least, offer.party.lapses) == ("waiting", 4, 3, 0)
    assert "You chose to wait until there is room for all of you." in words(client.get(address(offer.party)))


def test_an_offer_for_all_is_not_answered_by_waiting_for_all(client):
    offer = make_offered()
    response = press(enter(client, offer.party), offer.party, "wait/", offer)
    assert refused(response, "There is no offer to answer.")


def test_the_log_says_that_an_offer_was_given_back_for_another_session(client):
    season = make_season()
    offer = make_offered(make_session(season=season))
    choices.take_places(offer.party_id, make_session(season=season, starts_at=LATER).pk, now=NOON)
    told = words(page(client, offer.party, ""))
    assert "Ended, because you said yes to another session." in told
    assert "You left the waitlist." not in told


def test_a_party_without_any_booking_left_and_no_first_call_is_shown_nothing_to_choose(client):
    party = make_party(first_call_until=NOON)
    assert answer(page(client, party)) == (303, address(party))


def test_after_sign_up_has_closed_a_party_that_is_in_still_chooses(client):
    season = make_season(closes_at=NOON)
    held, free = make_booking(make_session(season=season)), make_session(season=season, starts_at=LATER)
    full = make_full_session(season=season, starts_at=LATER + HOUR)
    make_session(season=season, starts_at=LATER, closed_at=NOON)

    listed = links(page(client, held.party))
    assert address(held.party, f"{SESSIONS}{free.pk}/take/") in listed
    assert client.get(address(held.party, f"{SESSIONS}{free.pk}/take/")).status_code == 200
    press(client, held.party, f"{SESSIONS}{full.pk}/join/")
    assert lines(held.party) == [full]


@pytest.mark.parametrize("act", ["join/", "take/"])
@pytest.mark.parametrize("pk", [2**63, 10**30])
def test_a_number_that_no_session_can_have_is_a_session_that_does_not_exist(client, act, pk):
    held = make_booking()
    enter(client, held.party)
    path = address(held.party, f"{SESSIONS}{pk}/{act}")
    assert refused(client.post(path, {"given_up": held.pk}), "There is no such session.")
    assert answer(client.get(path)) == (303, address(held.party, SESSIONS))
