"""The reasons on a party's page: what happened to it, and what its lines decided meanwhile."""

import re
from datetime import datetime, timedelta

import pytest

from bookings.domain import check_in, sessions, visit, waitlist
from bookings.domain.people import Person
from bookings.models import (
    Booking,
    BookingEvent,
    BookingStatus,
    Decision,
    DecisionReason,
    DecisionTrigger,
    Party,
    TourSession,
)
from portal.views.visit_log import MOST_ENTRIES
from tests.acts import ask
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_full_session,
    make_offered,
    make_season,
    make_session,
    make_waiting,
)
from tests.portal.visits import address, enter

pytestmark = pytest.mark.django_db

# The roster locks two days before the start; the last call begins a day before that.
LAST_CALL = START - 3 * DAY


@pytest.fixture
def read_timed(client, clock, house):
    """``read_timed(booking)`` is the log on the party's page, newest first: each time with what it tells."""

    def entries(booking, *, now=NOON, language="en"):
        clock(now)
        party = Party.objects.get(pk=booking.party_id)
        page = enter(client, party).get(address(party, language=language)).content.decode()
        found = re.findall(r"(?s)<li><time>(.*?)</time>\s*<p>(.*?)</p></li>", page)
        return [(time.replace("\xa0", " "), " ".join(re.sub(r"<[^>]+>", "", text).split())) for time, text in found]

    return entries


@pytest.fixture
def read(read_timed):
    """``read(booking)`` is the log without its times."""
    return lambda booking, **how: [told for _time, told in read_timed(booking, **how)]


def decide(session, reason=DecisionReason.OFFERED, *, at=NOON, free=2, **given):
    return Decision.objects.create(
        session=session,
        decided_at=at,
        trigger=DecisionTrigger.CANCELLED,
        places_free=free,
        parties_free=1,
        reason=reason,
        **given,
    )


def ends_of(offer: Booking) -> datetime:
    offer.refresh_from_db()
    assert offer.offer_expires_at
    return offer.offer_expires_at


# Its own events


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (BookingStatus.WAITING, "You joined the waitlist."),
        (BookingStatus.OFFERED, "It was your turn, and we kept places for you."),
        (BookingStatus.CONFIRMED, "You said yes."),
        (BookingStatus.CHECKED_IN, "You were checked in."),
        (BookingStatus.NO_SHOW, "You were expected and did not come."),
        (BookingStatus.WITHDRAWN, "You left the waitlist."),
        (BookingStatus.DECLINED, "You said no to this date."),
        (BookingStatus.LAPSED, "The offer ran out without an answer."),
        (BookingStatus.CANCELLED, "You gave up your places."),
        (BookingStatus.SUPERSEDED, "Ended, because you said yes to another session."),
        (BookingStatus.DROPPED, "The mailbox was not proven in time, so the number was let go."),
        (BookingStatus.CLOSED, "The list of visitors was fixed, so the line closed."),
        (BookingStatus.CALLED_OFF, "The session was called off."),
    ],
)
def test_every_passage_of_a_booking_has_its_sentence(read, status, told):
    booking = make_booking(status=status)
    assert read(booking) == [told]
    chinese = read(booking, language="zh-hans")
    assert (len(chinese), re.findall("[A-Za-z]{2,}", chinese[0])) == (1, [])


def test_a_whole_story_is_told_newest_first(read_timed, django_capture_on_commit_callbacks):
    session = make_full_session()
    leaving = session.bookings.get()
    party = ask(session)
    booking = party.bookings.get()
    visit.prove_mailbox(party.pk, now=NOON)
    with django_capture_on_commit_callbacks(execute=True):
        visit.cancel_places(leaving.party_id, now=NOON + HOUR)
    waitlist.accept_offer(booking.pk, now=NOON + 2 * HOUR)
    visit.change_people(
        party.pk,
        lead=Person("Lin Xiaoyun", 18, None),
        companions=[Person("Wei Jun", 18, None)],
        access_needs="",
        now=NOON + 3 * HOUR,
    )
    check_in.check_in_party(booking.pk, now=START, who="host:lin")
    check_in.undo_check_in(booking.pk, now=START + timedelta(minutes=1), who="host:lin", why="the wrong party")
    assert read_timed(booking, now=START + timedelta(minutes=2)) == [
        ("09:31 today", "The check-in was undone at the gate."),
        ("09:30 today", "You were checked in."),
        ("23:00 on Monday 18 January", "Names or ages were changed."),
        ("22:00 on Monday 18 January", "You said yes."),
        ("21:00 on Monday 18 January", "It was your turn, and we kept places for you."),
        ("20:00 on Monday 18 January", "You joined the waitlist."),
    ]


def test_a_check_in_before_the_session_moved_to_another_day_counts_no_longer(read):
    session = make_session()
    booking = make_booking(session)
    later, now = START + 7 * DAY, START - HOUR
    check_in.check_in_party(booking.pk, now=now, who="host:lin")
    sessions.move(
        session.pk, starts_at=later, ends_at=later + 2 * HOUR, roster_locks_at=later - DAY, now=now, who="host:lin"
    )
    assert read(booking, now=now) == [
        "The session was moved to another day, so your check-in counts no longer.",
        "You were checked in.",
        "You said yes.",
    ]


def test_fewer_people_and_other_names_are_told_apart(read):
    party = make_booking(size=3, companions=["Wei Jun", "Wei Min"]).party
    lead, *companions = [Person(*told) for told in party.people()]
    renamed = [Person("Wei Lan", 6, 17), companions[1]]
    visit.change_people(party.pk, lead=lead, companions=renamed, access_needs="", now=NOON)
    visit.come_with_fewer(party.pk, lead=lead, companions=companions[1:], now=NOON + HOUR)
    visit.come_with_fewer(party.pk, lead=lead, companions=[], now=NOON + 2 * HOUR)
    assert read(party.bookings.get()) == [
        "You now come as 1 person.",
        "You now come as 2 people.",
        "Names or ages were changed.",
        "You said yes.",
    ]


def test_places_kept_at_sign_up_were_not_a_turn_in_line(read):
    party = ask(make_session())
    assert read(party.bookings.get()) == ["There was room, and we kept it for you."]


def test_a_lapse_that_moved_the_party_is_told(read):
    session = make_session(capacity=4)
    offer, _other = make_offered(session, offer_expires_at=NOON), make_offered(session)
    make_waiting(session)
    waitlist.lapse_offers(now=NOON)
    assert read(offer)[:2] == [
        "2 places were offered to number 1, before you in line.",
        "The offer ran out. You moved to the end of the waitlist.",
    ]


@pytest.mark.parametrize("who", ["party", "host:lin"])
def test_what_a_host_ended_is_not_told_as_the_partys_own_act(read, who):
    booking = make_booking()
    visit.cancel_places(booking.party_id, now=NOON, who=who, why="no ID")
    assert (
        read(booking)[0]
        == {
            "party": "You gave up your places.",
            "host:lin": "A host of the house ended this for you.",
        }[who]
    )


def test_reasons_that_hosts_wrote_for_the_house_stay_in_the_house(read):
    booking = make_booking()
    visit.cancel_places(booking.party_id, now=NOON, who="host:lin", why="banned")
    assert [entry for entry in read(booking) if "banned" in entry or "lin" in entry] == []


def test_with_several_sessions_each_entry_names_its_own(read):
    season = make_season()
    booking = make_waiting(make_full_session(season=season))
    make_waiting(make_full_session(season=season, starts_at=START + DAY), party=booking.party)
    assert read(booking) == [
        "Sunday 14 February, 09:30: You joined the waitlist.",
        "Saturday 13 February, 09:30: You joined the waitlist.",
    ]


# What its lines decided


def test_who_went_before_is_told_by_number(read):
    session = make_full_session()
    first, second = make_waiting(session), make_waiting(session)
    decide(session, offered_to=first)
    assert read(second)[0] == "2 places were offered to number 1, before you in line."


def test_who_went_behind_because_of_the_fit_is_told(read):
    """Through the rules: in the last call one place goes to the first party that fits."""
    session = make_session(capacity=3)
    make_booking(session)
    two, one = make_waiting(session, size=2), make_waiting(session, size=1)
    assert waitlist.offer_free_places(session.pk, now=LAST_CALL, trigger=DecisionTrigger.SCAN) == 1
    assert read(two, now=LAST_CALL)[0] == (
        "1 place became free and you are 2. It went to number 2, behind you: in the last 24 hours the first party that "
        "fits is asked. You keep your number."
    )
    assert read(one, now=LAST_CALL)[0] == "It was your turn, and we kept places for you."


def test_who_went_behind_at_short_notice_is_not_told_as_a_misfit(read):
    session = make_session(capacity=4)
    make_booking(session)
    patient, quick = make_waiting(session), make_waiting(session, short_notice=True)
    assert waitlist.offer_free_places(session.pk, now=LAST_CALL, trigger=DecisionTrigger.SCAN) == 1
    assert quick.queue_number == 2
    assert read(patient, now=LAST_CALL)[0] == (
        "2 places were offered to number 2, behind you: in the last 24 hours, parties that can come at short notice "
        "are asked first. You keep your number."
    )


def test_who_went_behind_before_the_mailbox_was_proven_is_told(read):
    session = make_session(capacity=4)
    make_booking(session)
    late, proven = make_waiting(session, proven=False), make_waiting(session)
    assert waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN) == 1
    told = (
        "2 places were offered to number 2, behind you: you had not pressed yet to show us that your mailbox is yours. "
        "You keep your number."
    )
    assert read(late)[0] == told
    visit.prove_mailbox(late.party_id, now=NOON + HOUR)
    assert read(late, now=NOON + HOUR)[0] == told
    assert proven.queue_number == 2


def test_who_went_behind_while_another_offer_stood_is_told(read):
    season = make_season()
    session = make_session(capacity=4, season=season)
    make_booking(session)
    busy, behind = make_waiting(session), make_waiting(session)
    offer = make_offered(make_session(season=season), party=busy.party)
    assert waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN) == 1
    waitlist.decline_offer(offer.pk, now=NOON + HOUR)
    assert behind.queue_number == 2
    assert (
        "Saturday 13 February, 09:30: 2 places were offered to number 2, behind you, while another offer stood for "
        "you. You keep your number."
    ) in read(busy, now=NOON + HOUR)


def test_who_went_before_and_let_it_lapse_is_not_told_as_behind(read, django_capture_on_commit_callbacks):
    """Its new number is higher than the reader's, the one it had was lower."""
    session = make_full_session()
    leaving = session.bookings.get()
    first, _second, third = (make_waiting(session) for _party in range(3))
    with django_capture_on_commit_callbacks(execute=True):
        visit.cancel_places(leaving.party_id, now=NOON)
    first.refresh_from_db()
    lapses = first.offer_expires_at
    assert lapses
    with django_capture_on_commit_callbacks(execute=True):
        waitlist.lapse_offers(now=lapses)
    first.refresh_from_db()
    assert (first.status, first.queue_number) == ("waiting", 4)
    assert read(third, now=lapses) == [
        "2 places were offered to number 2, before you in line.",
        "2 places were offered to another party in line, which did not answer in time.",
        "You joined the waitlist.",
    ]


def test_its_own_offer_that_lapsed_is_not_told_as_that_of_another_party(read):
    session = make_full_session(capacity=4)
    booking = make_waiting(session)
    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    booking.refresh_from_db()
    waitlist.lapse_offers(now=ends_of(booking))
    assert read(booking, now=booking.offer_expires_at) == [
        "It was your turn, and we kept places for you.",
        "The offer ran out. You moved to the end of the waitlist.",
        "It was your turn, and we kept places for you.",
        "You joined the waitlist.",
    ]


def test_places_saved_are_told_to_whom_they_are_saved_for_and_to_those_behind(read):
    """Through the rules: before the last call one free place waits for the head of the line."""
    session = make_session(capacity=3)
    make_booking(session)
    head, behind = make_waiting(session, size=2), make_waiting(session, size=1)
    assert waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED) == 0
    assert read(head)[0] == "1 place is free. You are 2, so it is saved for you until there is room for all of you."
    assert read(behind)[0] == "1 place is free and saved for number 1, before you in line, until its whole party fits."


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"proven": False}, "you had not pressed yet to show us that your mailbox is yours. You keep your number."),
        ({"elsewhere": True}, "while another offer stood for you. You keep your number."),
        ({"other": "first call"}, "the session it had places in was called off, so it is asked first. You keep"),
    ],
)
def test_places_saved_for_a_party_behind_are_told_with_the_reason(read, given, told):
    season = make_season()
    session = make_full_session(season=season, capacity=3)
    booking = make_waiting(session, size=1, proven="proven" not in given)
    make_waiting(session, first_call="other" in given)
    if "elsewhere" in given:
        make_offered(make_session(season=season), party=booking.party)
    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    (entry,) = [entry for entry in read(booking) if "saved for number 2" in entry]
    assert told in entry


@pytest.mark.parametrize("first_call", [False, True])
def test_who_went_before_a_party_that_is_too_large_for_what_is_given_out_is_told(read, first_call):
    session = make_session(capacity=4, sell_limit=2)
    large = make_waiting(session, size=3, first_call=first_call)
    make_waiting(session, size=1, first_call=first_call), make_waiting(session, size=2)
    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    why = "behind you: fewer places are given out in this session than you would come with. You keep your number."
    assert read(large) == [
        f"1 place was saved for number 3, {why}",
        f"1 place was offered to number 2, {why}",
        "You joined the waitlist.",
    ]


def test_places_saved_behind_a_limit_that_was_raised_since_are_not_told_as_first_call(read):
    session = make_session(capacity=10, sell_limit=2)
    make_booking(session, size=1)
    large = make_waiting(session, size=3)
    make_waiting(session, size=2)
    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    sessions.resize(session.pk, capacity=10, max_parties=10, sell_limit=3, now=NOON)
    assert read(large) == [
        "2 places are free. You are 3, so they are saved for you until there is room for all of you.",
        "1 place was saved for number 2, behind you: fewer places are given out in this session than you would come "
        "with. You keep your number.",
        "You joined the waitlist.",
    ]


def test_who_went_first_by_first_call_is_told_so_to_a_party_that_is_too_large_as_well(read):
    session = make_session(capacity=4, sell_limit=2)
    large = make_waiting(session, size=3)
    make_waiting(session, size=1, first_call=True), make_waiting(session, size=2, first_call=True)
    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    called = "the session it had places in was called off, so it is asked first. You keep your number."
    assert read(large) == [
        f"1 place is free and saved for number 3: {called}",
        f"1 place was offered to number 2: {called}",
        "You joined the waitlist.",
    ]


def test_what_was_offered_is_told_and_not_what_that_party_has_since(read):
    session = make_full_session(capacity=3)
    first, second = make_waiting(session, size=3, smallest_size=1), make_waiting(session, size=2)
    waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    waitlist.wait_for_all(first.pk, now=NOON + HOUR)
    assert read(second, now=NOON + HOUR)[1] == "1 place was offered to number 1, before you in line."
    assert read(first, now=NOON + HOUR)[:3] == [
        "1 place is free. You would come with 2, so it is saved for you until that many are free.",
        "You chose to wait until there is room for all of you. You keep your number.",
        "It was your turn, and we kept places for you.",
    ]


def test_an_offer_that_the_house_took_back_is_not_told_as_a_lapse(read):
    booking = make_waiting(make_full_session())
    BookingEvent.objects.create(
        booking=booking, from_status="offered", to_status="waiting", happened_at=NOON, who="host:lin", why="smaller bus"
    )
    assert read(booking)[0] == "The house took the offer back. You keep your number."


def test_who_got_smaller_since_is_not_told_what_would_have_fitted_then(read):
    session = make_full_session(capacity=3)
    booking = make_waiting(session, size=2)
    make_waiting(session, size=1)
    waitlist.offer_free_places(session.pk, now=LAST_CALL, trigger=DecisionTrigger.CANCELLED)
    lead = Person("Lin Xiaoyun", 18, None)
    visit.come_with_fewer(booking.party_id, lead=lead, companions=[], now=LAST_CALL + HOUR)
    assert read(booking, now=LAST_CALL + HOUR) == [
        "You now come as 1 person.",
        "1 place was offered to another party in line.",
        "You joined the waitlist.",
    ]


def test_numbers_are_not_compared_with_one_that_the_party_did_not_have_then(read):
    """It let an offer lapse and stands at the end; the party that overtook it before that has a lower number now."""
    session = make_full_session(capacity=3)
    booking = make_waiting(session, size=2)
    small = make_waiting(session, size=1)
    waitlist.offer_free_places(session.pk, now=LAST_CALL, trigger=DecisionTrigger.CANCELLED)
    waitlist.accept_offer(small.pk, now=LAST_CALL)
    TourSession.objects.filter(pk=session.pk).update(capacity=5, sell_limit=5, max_parties=5)
    waitlist.offer_free_places(session.pk, now=LAST_CALL + HOUR, trigger=DecisionTrigger.CANCELLED)
    # While the offer stands, what goes to others is not about a party that waits.
    decide(session, offered_to=make_waiting(session), at=LAST_CALL + HOUR + timedelta(minutes=5))
    booking.refresh_from_db()
    TourSession.objects.filter(pk=session.pk).update(sell_limit=0)
    waitlist.lapse_offers(now=ends_of(booking))
    assert read(booking, now=booking.offer_expires_at) == [
        "The offer ran out. You moved to the end of the waitlist.",
        "It was your turn, and we kept places for you.",
        "1 place was offered to another party in line.",
        "You joined the waitlist.",
    ]


def test_places_saved_before_a_lapse_were_saved_for_somebody_before(read):
    session = make_full_session(capacity=3)
    saved, booking = make_waiting(session, size=3), make_waiting(session)
    decide(session, DecisionReason.SAVED, saved_for=saved, free=1, at=NOON - 2 * HOUR)
    TourSession.objects.filter(pk=session.pk).update(next_queue_number=9)
    booking.queue_number = 1
    saved.queue_number = 3
    saved.save()
    booking.save()
    history = {"booking": booking, "who": "clock"}
    BookingEvent.objects.create(**history, from_status="waiting", to_status="offered", happened_at=NOON - HOUR)
    BookingEvent.objects.create(**history, from_status="offered", to_status="waiting", happened_at=NOON, why="lapsed")
    assert read(booking)[2] == "1 place is free and saved for number 3, before you in line, until its whole party fits."


def test_what_an_act_of_the_party_caused_stands_above_it(read):
    session = make_full_session()
    booking = make_waiting(session, status_since=NOON)
    decide(session, DecisionReason.SAVED, saved_for=booking, free=1)
    assert [entry.partition(".")[0] for entry in read(booking)] == ["1 place is free", "You joined the waitlist"]


def test_places_nobody_in_line_can_take_and_those_freed_too_late_are_told(read):
    session = make_session(capacity=3)
    make_booking(session)
    booking = make_waiting(session)
    waitlist.offer_free_places(session.pk, now=LAST_CALL, trigger=DecisionTrigger.CANCELLED)
    too_late = session.roster_locks_at - timedelta(minutes=20)
    waitlist.offer_free_places(session.pk, now=too_late, trigger=DecisionTrigger.CANCELLED)
    assert read(booking, now=too_late)[:2] == [
        "Something became free, but too little time was left to ask anybody.",
        "1 place is free, but no party in line is that small.",
    ]


def test_what_was_decided_elsewhere_or_before_the_party_joined_is_not_told(read):
    session, elsewhere = make_full_session(), make_full_session()
    first, booking = make_waiting(session), make_waiting(session, status_since=NOON)
    decide(session, offered_to=first, at=NOON - timedelta(seconds=1))
    decide(elsewhere, offered_to=make_waiting(elsewhere))
    decide(session, DecisionReason.FULL)
    decide(session, DecisionReason.NOBODY)
    assert read(booking) == ["You joined the waitlist."]


def test_whoever_has_first_call_is_not_told_that_places_were_kept_for_those_that_have_it(read):
    session = make_full_session()
    called, newcomer = make_waiting(session, first_call=True), make_waiting(session)
    decide(session, DecisionReason.KEPT, free=0, places=2)
    assert (read(called), read(newcomer)) == (
        ["You joined the waitlist."],
        [
            "2 places are free, but kept for visitors whose session was called off. You keep your number.",
            "You joined the waitlist.",
        ],
    )


def test_a_log_names_nobody(read):
    session = make_full_session()
    first = make_waiting(session, lead_name="Somebody Else", email="else@visitors.example")
    booking = make_waiting(session)
    decide(session, offered_to=first)
    decide(session, DecisionReason.SAVED, saved_for=first, free=1)
    told = " ".join(read(booking))
    assert [known for known in ("Somebody", "else@", first.party.code) if known in told] == []


# As many as are read


def test_the_newest_entries_are_kept_however_many_there_are(read_timed):
    session = make_full_session()
    first, booking = make_waiting(session), make_waiting(session)
    for minute in range(MOST_ENTRIES + 20):
        saved = {"saved_for": first} if minute % 2 else {"saved_for": booking}
        decide(session, DecisionReason.SAVED, at=NOON + timedelta(minutes=minute), free=1 + minute % 2, **saved)
    told = read_timed(booking, now=NOON + HOUR)
    assert len(told) == MOST_ENTRIES
    assert (told[0][0], told[-1][0]) == ("20:31 today", "20:20 today")
    assert told[0][1] == "2 places are free and saved for number 1, before you in line, until its whole party fits."
