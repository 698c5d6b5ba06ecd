"""How a party's page tells where it stands: every sign, its steps and its sheets, from rows to words."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from bookings.domain import retention, visit, waitlist
from bookings.domain.people import Person
from bookings.domain.reconfirming import SILENT
from bookings.models import BookingEvent, BookingStatus, Party, Tour
from portal.views.visit_state import standing
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    both,
    make_booking,
    make_full_session,
    make_offered,
    make_season,
    make_session,
    make_sign_up,
    make_venue,
    make_waiting,
)
from tests.portal.pages import words
from tests.portal.visits import address, enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]


def ended(status):
    return make_booking(status=status, status_since=NOON, ended_at=NOON)


def requeued():
    offer = make_offered(make_full_session(capacity=4), offer_expires_at=NOON)
    behind = make_waiting(offer.session)
    waitlist.lapse_offers(now=NOON)
    assert behind.queue_number == 1
    return offer


def ended_by_host():
    booking = make_booking()
    visit.cancel_places(booking.party_id, now=NOON, who="host:lin")
    return booking


def ended_by_silence():
    booking = make_booking()
    visit.cancel_places(booking.party_id, now=NOON, who="clock", why=SILENT)
    return booking


def called_off():
    booking = ended(BookingStatus.CALLED_OFF)
    booking.session.called_off_at = NOON
    booking.session.call_off_reason = both("A power cut.", "停电了。")
    booking.session.save()
    return booking


def erased():
    booking = ended(BookingStatus.CANCELLED)
    retention.erase(booking.party_id, now=NOON)
    return booking


TODAY_22: dict[str, Any] = {"offer_expires_at": NOON + 2 * HOUR + timedelta(seconds=59)}
AT_THE_TIME = {
    "checked_in": START + HOUR,
    "no_show": START + HOUR,
    "over": START + 2 * HOUR,
}
ASKED = "Asked 17 Jan"
AFTER = ["What happened", "Sessions with room", "Your party"]
# State: rows, headline, steps with the one that is now in brackets, sheets in their order.
STATES = {
    "prove_places": (
        lambda: make_sign_up(**TODAY_22),
        "One press and the 2 places are yours",
        f"{ASKED} · [Offered until 22:00] · Confirmed · Visit 13 Feb",
        ["When and where", "Your party", "What happened"],
    ),
    "prove_line": (
        lambda: make_waiting(make_full_session(), proven=False, prove_by=NOON + DAY),
        "One press and you are in line",
        f"{ASKED} · [Waiting number 1] · Offered · Visit 13 Feb",
        ["How the waitlist stands", "Why were we not asked yet?", "When and where", "Your party"],
    ),
    "offered": (
        lambda: make_offered(**TODAY_22),
        "2 places are yours until 22:00 today",
        f"{ASKED} · [Offered until 22:00] · Confirmed · Visit 13 Feb",
        ["When and where", "Your party", "What happened"],
    ),
    "waiting": (
        lambda: make_waiting(make_waiting(make_full_session()).session),
        "1 party is ahead of you",
        f"{ASKED} · [Waiting number 2] · Offered · Visit 13 Feb",
        ["How the waitlist stands", "Why were we not asked yet?", "When and where", "Your party"],
    ),
    "requeued": (
        requeued,
        "The 2 places went to the next party",
        f"{ASKED} · [Waiting number 2] · Offered · Visit 13 Feb",
        ["How the waitlist stands", "Why were we not asked yet?", "When and where", "Your party"],
    ),
    "confirmed": (
        make_booking,
        "See you on Saturday 13 February at 09:30",
        f"{ASKED} · [Confirmed 17 Jan] · Visit 13 Feb",
        ["Show this at the gate", "When and where", "Your party", "What happened", "Can’t come?"],
    ),
    "checked_in": (
        lambda: make_booking(status=BookingStatus.CHECKED_IN, arrived=1),
        "Welcome. Follow the yellow line.",
        f"{ASKED} · [Visit 13 Feb]",
        ["Show this at the gate", "When and where", "Your party", "What happened"],
    ),
    "over": (
        make_booking,
        "Thank you for coming",
        f"{ASKED} · Confirmed 17 Jan · [Visit 13 Feb]",
        ["What happened", "Your party"],
    ),
    "no_show": (
        lambda: make_booking(status=BookingStatus.NO_SHOW),
        "We missed you",
        f"{ASKED} · [No-show 17 Jan]",
        ["What happened", "Your party"],
    ),
    "cancelled": (
        lambda: ended(BookingStatus.CANCELLED),
        "Your 2 places are free again",
        f"{ASKED} · [Cancelled 18 Jan]",
        AFTER,
    ),
    "by_host": (
        ended_by_host,
        "A host ended this for you",
        f"{ASKED} · Confirmed 17 Jan · [Cancelled 18 Jan]",
        AFTER,
    ),
    "silent": (
        ended_by_silence,
        "Your 2 places were given up",
        f"{ASKED} · Confirmed 17 Jan · [Cancelled 18 Jan]",
        AFTER,
    ),
    "declined": (
        lambda: ended(BookingStatus.DECLINED),
        "You said no to this date",
        f"{ASKED} · [Declined 18 Jan]",
        AFTER,
    ),
    "withdrawn": (
        lambda: ended(BookingStatus.WITHDRAWN),
        "You left the waitlist",
        f"{ASKED} · [Withdrawn 18 Jan]",
        AFTER,
    ),
    "dropped": (lambda: ended(BookingStatus.DROPPED), "Your number was let go", f"{ASKED} · [Dropped 18 Jan]", AFTER),
    "lapsed": (
        lambda: ended(BookingStatus.LAPSED),
        "The 2 places went to the next party",
        f"{ASKED} · [Lapsed 18 Jan]",
        AFTER,
    ),
    "line_closed": (lambda: ended(BookingStatus.CLOSED), "The line has closed", f"{ASKED} · [Closed 18 Jan]", AFTER),
    "called_off": (
        called_off,
        "The session on Saturday 13 February, 09:30, will not take place",
        f"{ASKED} · [Called off 18 Jan]",
        ["What happened", "Your party"],
    ),
    "erased": (erased, "Your data are erased", "", ["Sessions with room"]),
}


def test_every_sign_has_a_test():
    folder = Path(settings.BASE_DIR) / "templates/portal/visit"
    pieces = {"keeps", "outlook", "rest", "side", "still_coming", "told", "why"}
    assert {file.stem.removeprefix("_") for file in folder.iterdir()} - pieces == set(STATES)


def page_of(client, booking, language="en"):
    party = Party.objects.get(pk=booking.party_id)
    response = enter(client, party).get(address(party, language=language))
    assert response.status_code == 200
    return response


def headline(response):
    found = re.findall(r"(?s)<h1[^>]*>(.*?)</h1>", response.content.decode())
    return " ".join(" · ".join(found).split())


def steps(response):
    """The steps in words; the one that is now in brackets."""
    found = re.findall(r'(?s)<li class="is-(\w+)"( aria-current="step")?>(.*?)</li>', response.content.decode())
    told = [(kind, current, " ".join(re.sub(r"<[^>]+>", "", text).split())) for kind, current, text in found]
    assert [bool(current) for _kind, current, _text in told] == [kind == "now" for kind, _current, _text in told]
    return " · ".join(f"[{text}]" if kind == "now" else text for kind, _current, text in told)


def sheets(response):
    main = response.content.decode().partition("</ol>")[2] or response.content.decode()
    return [" ".join(found.split()) for found in re.findall(r"(?s)<h2[^>]*>(.*?)</h2>", main)]


def sign(response):
    return re.search(r'(?s)<section class="sign sign-(\w+)".*?</section>', response.content.decode())


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_its_sign_its_steps_and_its_sheets(client, clock, state):
    make, its_headline, its_steps, its_sheets = STATES[state]
    booking = make()
    clock(AT_THE_TIME.get(state, NOON))
    response = page_of(client, booking)
    assert (headline(response), steps(response), sheets(response)) == (its_headline, its_steps, its_sheets)


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_told_in_chinese_too(client, clock, state):
    make, _headline, its_steps, its_sheets = STATES[state]
    booking = make()
    clock(AT_THE_TIME.get(state, NOON))
    response = page_of(client, booking, "zh-hans")
    main = response.content.decode().partition("<main")[2].partition("</main>")[0].partition(">")[2]
    # Names, and the code of the party, are what they are.
    own = r'(?s)<bdi>.*?</bdi>|<dd class="code">.*?</dd>|<p class="code">.*?</p>|<svg.*?</svg>'
    text = re.sub(r"<[^>]+>", " ", re.sub(own, "", main))
    assert re.findall(r"[A-Za-z]{2,}", text.replace("&nbsp;", " ")) == []
    assert (steps(response).count("·"), len(sheets(response))) == (its_steps.count("·"), len(its_sheets))
    assert headline(response)


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_at_most_one_primary_act_and_nothing_after_the_end(client, clock, state):
    make = STATES[state][0]
    booking = make()
    clock(AT_THE_TIME.get(state, NOON))
    response = page_of(client, booking)
    text = response.content.decode()
    assert (len(re.findall("btn-primary|btn-door", text)) <= 1, text.count('class="sign ')) == (True, 1)
    has_ended = sign(response)[1] == "ended"
    assert has_ended is (state in {*STATES} - {*LIVE})
    if has_ended:
        assert re.findall(r'<form method="post"|/people/|/fewer/|/calendar.ics', text) == []


LIVE = ["prove_places", "prove_line", "offered", "waiting", "requeued", "confirmed", "checked_in"]


# Deadlines


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("seconds", [0, 1, 59])
@pytest.mark.parametrize("make", [make_offered, make_sign_up])
def test_a_deadline_is_shown_in_venue_time_and_never_later_than_it_is_kept(client, make, seconds, language):
    """Whoever answers in the minute that is named is in time."""
    ends = NOON + HOUR + timedelta(minutes=40, seconds=seconds)
    booking = make(make_session(venue=make_venue(time_zone="Europe/Berlin", time_zone_name="")), offer_expires_at=ends)
    page = words(page_of(client, booking, language))
    # 13:40 UTC is 14:40 in Berlin.
    told = re.findall(r"\d\d:\d\d", page.partition("Europe/Berlin")[0])
    assert set(told) == {"14:40"}
    assert {"en": "14:40 today", "zh-hans": "今天 14:40"}[language] in page


def test_a_deadline_tells_the_time_that_is_left(client, clock):
    offer = make_offered(offer_expires_at=NOON + DAY + 2 * HOUR)
    clock(NOON + timedelta(minutes=30))
    page = words(page_of(client, offer))
    assert "2 places are yours until 22:00 tomorrow" in page
    assert "Offered until 19 Jan 22:00" in page
    assert "Say yes within 1 day, 1 hour; after that they go to the next party." in page
    assert "All times are Beijing time." in page


def test_an_id_is_asked_only_where_the_tour_asks_for_one(client):
    booking = make_booking()
    with_id = words(page_of(client, booking))
    Tour.objects.update(identification=both("", ""))
    without = words(page_of(client, booking))
    asked = "2 places at {gate}. Be there by 09:15, Beijing time{id}. We remind you by mail."
    gate = booking.session.venue.gate
    assert asked.format(gate=gate, id=", with an ID for each of you") in with_id
    assert asked.format(gate=gate, id="") in without


def test_what_is_left_is_rounded_down(client, clock):
    offer = make_offered(offer_expires_at=NOON + 2 * HOUR)
    clock(NOON + timedelta(seconds=1))
    assert "within 1 hour, 59 minutes;" in words(page_of(client, offer))


def test_a_number_in_line_is_kept_until_the_mailbox_must_be_proven(client):
    booking = make_waiting(make_full_session(), proven=False, prove_by=NOON + DAY + timedelta(seconds=59))
    assert "Your number is kept until 20:00 tomorrow, Beijing time: another 1 day." in words(page_of(client, booking))


@pytest.mark.parametrize(
    ("least", "told"),
    [
        (3, "As soon as 3 places are free and it is your turn, we keep them for you"),
        (
            2,
            "As soon as 2 places are free and it is your turn, we keep what is free for you, up to 3, and",
        ),
    ],
)
def test_whoever_waits_reads_with_how_many_it_would_come(client, least, told):
    booking = make_waiting(make_full_session(capacity=4), size=3, smallest_size=least)
    assert told in words(page_of(client, booking))


def test_a_party_that_proves_first_is_told_of_the_room_that_there_is(client):
    page = words(page_of(client, make_waiting(make_session(), proven=False, prove_by=NOON + DAY)))
    assert "There is room: one press and we offer you places Until you press, no places are kept for you" in page
    assert ("Ask for 2 places now" in page, "how likely your turn is" in page) == (True, False)


# What matters most


def states(*bookings, now=NOON):
    return [standing(Party.objects.get(pk=booking.party_id), now=now).state for booking in bookings]


def test_an_answer_that_is_awaited_comes_before_everything(client):
    season = make_season()
    held = make_booking(make_session(season=season))
    make_waiting(make_full_session(season=season), party=held.party)
    make_offered(make_session(season=season), party=held.party, places=2)
    response = page_of(client, held)
    assert headline(response) == "2 places are yours until 22:00 today"
    page = words(response)
    assert "You keep your places on Saturday 13 February at 09:30 unless you take these instead." in page
    assert "Not this date? You keep your number for your other session: Saturday 13 February, 09:30" in page
    assert "Cancel our 2 places" in page


def test_beside_an_offer_giving_up_places_names_the_session_it_gives_up(client):
    held = make_booking()
    session = make_session(season=held.session.season, starts_at=START + 7 * DAY)
    offer = make_offered(session, party=held.party)
    sheet = page_of(client, offer).content.decode().partition('id="cancel"')[2].partition("</section>")[0]
    assert "Saturday 13\u00a0February, 09:30" in sheet
    assert "20\u00a0February" not in sheet


def test_an_offer_that_ran_out_unseen_hides_neither_places_nor_a_line(clock):
    """The clock may come by a minute late."""
    season = make_season()
    alone = make_offered(make_session(season=season))
    held = make_booking(make_session(season=season))
    make_offered(make_session(season=season), party=held.party)
    waiting = make_waiting(make_full_session(season=season))
    make_offered(make_session(season=season), party=waiting.party)
    assert states(alone, held, waiting) == ["offered", "offered", "offered"]
    assert states(alone, held, waiting, now=NOON + 2 * HOUR) == ["lapsed", "confirmed", "waiting"]


def test_an_offer_that_ran_out_unseen_reads_as_lapsed(client, clock):
    offer = make_offered()
    clock(NOON + 2 * HOUR)
    response = page_of(client, offer)
    assert steps(response) == "Asked 17 Jan · Offered 17 Jan · [Lapsed 18 Jan]"
    assert "The offer ran out without an answer." in words(response)
    assert "You can ask again" not in words(response)


@pytest.mark.parametrize(
    ("before", "told"), [(1, "At most 1 party is ahead of you"), (3, "At most 3 parties are ahead of you")]
)
def test_in_the_last_call_a_party_is_told_how_many_are_ahead_at_most(client, before, told):
    session = make_full_session(roster_locks_at=NOON + DAY)
    booking = make_waiting(session)
    for _party in range(before):
        make_waiting(session, short_notice=True)
    response = page_of(client, booking)
    assert (headline(response), f"{told}. Your number is 1." in words(response)) == (told, True)


def test_the_first_choice_speaks_for_several_lines(client):
    season = make_season()
    first, second = make_full_session(season=season), make_full_session(season=season, starts_at=START + DAY)
    make_waiting(first), make_waiting(second), make_waiting(second)
    booking = make_waiting(second, preference=2)
    make_waiting(first, party=booking.party, preference=1)
    page = words(page_of(client, booking))
    assert "1 party is ahead of you" in page
    assert page.index("1 party is ahead of you. Your number is 2.") < page.index(
        "2 parties are ahead of you. Your number is 3."
    )


def test_parties_that_do_not_stand_in_the_line_are_not_ahead(client):
    season = make_season()
    session = make_full_session(season=season)
    make_waiting(session, proven=False)
    make_offered(make_session(season=season), party=make_waiting(session).party)
    make_booking(session=session, status=BookingStatus.WITHDRAWN, queue_number=9)
    booking = make_waiting(session)
    response = page_of(client, booking)
    assert headline(response) == "You are first in line"
    assert "Nobody is ahead of you. Your number is 3." in words(response)


def test_an_offer_that_another_partys_lapse_freed_is_not_its_own_lapse():
    season = make_season()
    offer = make_offered(make_full_session(season=season, capacity=4), offer_expires_at=NOON)
    booking = make_waiting(offer.session, preference=2)
    make_waiting(make_full_session(season=season, starts_at=START + DAY), party=booking.party)
    waitlist.lapse_offers(now=NOON)
    booking.refresh_from_db()
    assert states(booking) == ["offered"]
    assert states(booking, now=booking.offer_expires_at) == ["waiting"]


def test_whoever_recovers_from_a_lapse_is_waiting_again(clock):
    offer = requeued()
    assert states(offer) == ["requeued"]
    visit.change_people(
        offer.party_id,
        lead=Person("Lin Xiaoyun", 18, None),
        companions=[Person("Wei Jun", 18, None)],
        access_needs="",
        now=NOON + HOUR,
    )
    assert states(offer, now=NOON + HOUR) == ["waiting"]


def test_changed_names_do_not_move_the_date_of_the_yes(client, clock):
    booking = make_booking()
    event = {"booking": booking, "from_status": "confirmed", "to_status": "confirmed", "who": "party"}
    BookingEvent.objects.create(happened_at=NOON, why="names changed", **event)
    assert steps(page_of(client, booking)) == "Asked 17 Jan · [Confirmed 17 Jan] · Visit 13 Feb"


def test_once_the_tour_has_begun_nothing_is_offered_that_would_be_refused(client, clock):
    booking = make_booking(size=3)
    clock(START)
    page = words(page_of(client, booking))
    assert headline(page_of(client, booking)) == "Your tour has begun"
    refused = ["Can’t come?", "Cancel our", "Change names", "Come with fewer people"]
    assert [act for act in refused if act in page] == []


def test_a_place_for_one_is_told_in_the_singular(client):
    page = words(page_of(client, make_offered(size=1)))
    assert ("1 place is yours until" in page, "Take the 1 place " in page, "1 places" in page) == (True, True, False)


def test_dates_in_the_steps_are_those_of_the_venue(client):
    venue = make_venue(time_zone="America/Los_Angeles")
    booking = make_booking(make_session(venue=venue), status_since=NOON - 10 * HOUR, asked_at=NOON - 10 * HOUR)
    assert steps(page_of(client, booking)) == "Asked 17 Jan · [Confirmed 17 Jan] · Visit 12 Feb"


# Queries


def queries_of_the_page(client, booking, django_assert_max_num_queries, most):
    enter(client, booking.party)
    with django_assert_max_num_queries(most) as asked:
        assert client.get(address(booking.party)).status_code == 200
    return len(asked)


def test_the_page_asks_as_much_in_a_long_line_as_in_a_short_one(client, django_assert_max_num_queries):
    short, long = make_full_session(), make_full_session()
    for ahead, session in ((1, short), (30, long)):
        for _party in range(ahead):
            make_waiting(session)
    counts = [
        queries_of_the_page(client, make_waiting(session), django_assert_max_num_queries, 12)
        for session in (short, long)
    ]
    assert counts[0] == counts[1]


@pytest.mark.usefixtures("seconds")
def test_another_line_costs_one_query(client, django_assert_max_num_queries):
    season, venue = make_season(), make_venue()
    full = [make_full_session(season=season, venue=venue, starts_at=START + number * DAY) for number in range(3)]
    one, three = make_waiting(full[0]), make_waiting(full[0])
    for preference, session in enumerate(full[1:], start=2):
        make_waiting(session, party=three.party, preference=preference)
    bookings = (three, one, three)  # The first page reads what the others are given again.
    _first, *counts = [queries_of_the_page(client, each, django_assert_max_num_queries, 14) for each in bookings]
    assert counts[1] - counts[0] == 2
