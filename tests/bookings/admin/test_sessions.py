import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings.admin.sessions import LATEST_DECISIONS, decision_in_words
from bookings.domain.locks import StaleLocks, lock_everybody
from bookings.domain.waitlist import offer_free_places, wait_for_all
from bookings.emails import build
from bookings.models import BookingEvent, Decision, DecisionReason, DecisionTrigger, Notice, Party, Season, TourSession
from tests.acts import ledger, owed, statuses
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_offered,
    make_party,
    make_season,
    make_venue,
    make_waiting,
)
from tests.factories import make_session as any_session

pytestmark = pytest.mark.django_db

# The pages of the admin site read the real clock; these sessions lie ahead of it whenever the tests run.
YEARS_AHEAD = datetime(2100, 2, 13, 1, 30, tzinfo=START.tzinfo)  # 09:30 in Shanghai
NOT_SEEN = "Nothing is saved yet. Look at who is told, tick the box and save again."
LISTED = reverse("admin:bookings_toursession_changelist")


def make_session(**given: Any) -> TourSession:
    if "season" not in given:
        given["season"] = make_season(opens_at=NOON - 10_000 * DAY, closes_at=YEARS_AHEAD)
    return any_session(**{"starts_at": YEARS_AHEAD} | given)


def typed(session: TourSession | None = None, **given: Any) -> dict[str, Any]:
    """What the form of a session sends: times on the clock of Shanghai, everything else as it is."""
    values: dict[str, Any] = {
        "label_0": "",
        "label_1": "",
        "language": "en",
        "starts_at_0": "2100-02-13",
        "starts_at_1": "09:30",
        "ends_at_0": "2100-02-13",
        "ends_at_1": "11:30",
        "roster_locks_at_0": "2100-02-11",
        "roster_locks_at_1": "09:30",
        "capacity": 60,
        "max_parties": 20,
        "sell_limit": 60,
    }
    if session:
        values |= {"season": session.season_id, "venue": session.venue_id, "language": session.language}
        values |= {name: getattr(session, name) for name in ("capacity", "max_parties", "sell_limit")}
    return values | given


def change(client: Client, session: TourSession, **given: Any) -> Any:
    return client.post(address(session), typed(session, **given), follow=True)


def address(session: TourSession) -> str:
    return reverse("admin:bookings_toursession_change", args=[session.pk])


def press(client: Client, action: str, *sessions: TourSession, **given: Any) -> Any:
    data = {"action": action, "_selected_action": [session.pk for session in sessions], **given}
    return client.post(LISTED, data, follow=True)


def messages(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def errors(answer: Any) -> list[str]:
    form = answer.context["adminform"].form
    return [error for field in form.errors.values() for error in field]


def test_a_session_is_added_with_times_typed_on_the_clock_of_the_venue(host):
    season, venue = make_season(), make_venue(time_zone="Asia/Shanghai")

    host.post(reverse("admin:bookings_toursession_add"), typed(season=season.pk, venue=venue.pk, label_0="Day 5"))

    session = TourSession.objects.get()
    assert (session.starts_at, session.ends_at) == (YEARS_AHEAD, YEARS_AHEAD + 2 * HOUR)
    assert session.roster_locks_at == YEARS_AHEAD - 2 * DAY
    assert (session.season, session.venue, session.label.data["en"]) == (season, venue, "Day 5")
    assert ledger(session) == {"places": 0, "parties": 0, "offered": 0, "waiting": 0}


def test_a_session_that_is_added_keeps_places_for_first_call_from_the_beginning(host, commits):
    until = YEARS_AHEAD - 30 * DAY
    season = make_season(opens_at=NOON - 10_000 * DAY, closes_at=YEARS_AHEAD, first_call_until=until)
    make_party(season=season, size=3, first_call_until=until)

    with commits():
        host.post(reverse("admin:bookings_toursession_add"), typed(season=season.pk, venue=make_venue().pk))

    assert TourSession.objects.values_list("places_kept", "parties_kept").get() == (3, 1)


def test_the_form_shows_times_on_the_clock_of_the_venue(host):
    page = host.get(address(make_session()))

    assert 'value="09:30:00"' in page.content.decode()
    assert "Times are those of Asia/Shanghai." in page.content.decode()


def test_the_rules_of_a_session_are_told_at_the_form(host):
    season, venue = make_season(), make_venue()
    wrong = typed(season=season.pk, venue=venue.pk, ends_at_1="09:00", max_parties=61, roster_locks_at_0="2100-02-14")

    answer = host.post(reverse("admin:bookings_toursession_add"), wrong)

    assert sorted(errors(answer)) == [
        "The roster has to lock before the session starts.",
        "The session has to start before it ends.",
        "There cannot be more parties than places.",
    ]
    assert not TourSession.objects.exists()


def test_moving_tells_whoever_holds_places_or_waits_the_old_and_the_new_time(host):
    session = make_session(capacity=2)
    held, waiting = make_booking(session), make_waiting(session)

    change(host, session, starts_at_1="10:30", ends_at_1="12:30", told="on")

    session.refresh_from_db()
    assert (session.starts_at, session.ends_at) == (YEARS_AHEAD + HOUR, YEARS_AHEAD + 3 * HOUR)
    assert sorted(owed()) == sorted([("changed", held.party_id), ("changed", waiting.party_id)])
    assert {notice.facts["starts_at"] for notice in Notice.objects.all()} == {YEARS_AHEAD.isoformat()}
    assert statuses(session) == {held: "confirmed", waiting: "waiting"}


def test_nothing_is_moved_before_the_host_has_seen_who_is_told(host):
    session = make_session(capacity=9)
    make_booking(session, size=3), make_booking(session, size=2), make_offered(session, size=2)
    make_waiting(session, size=3), make_waiting(session, proven=False)

    answer = change(host, session, starts_at_1="10:30", ends_at_1="12:30")

    assert errors(answer) == [NOT_SEEN]
    page = answer.content.decode()
    assert "2 confirmed parties (5 people), 1 offered, 1 waiting. 4 mails go out." in page
    assert 'value="10:30"' in page, "what was typed stays"
    assert (TourSession.objects.get().starts_at, owed()) == (YEARS_AHEAD, [])


def test_a_session_in_which_nobody_is_moves_without_being_asked_twice(host):
    session = make_session()

    assert 'name="told"' not in host.get(address(session)).content.decode()
    change(host, session, starts_at_1="10:30", ends_at_1="12:30")

    assert TourSession.objects.get().starts_at == YEARS_AHEAD + HOUR


def test_another_lock_of_the_roster_is_told_to_nobody(host):
    session = make_session()
    make_booking(session)

    change(host, session, roster_locks_at_0="2100-02-12")

    session.refresh_from_db()
    assert (session.roster_locks_at, owed()) == (YEARS_AHEAD - DAY, [])


def test_a_later_end_is_told_as_what_it_is(host):
    session = make_session()
    booking = make_booking(session)

    change(host, session, ends_at_1="12:00", told="on")

    message = build(Notice.objects.get(), now=NOON)
    assert owed() == [("changed", booking.party_id)]
    assert message.subject.startswith("Changed: until 12:00")
    assert "now ends at 12:00" in message.body
    assert "It was planned to end at 11:30" in message.body


def test_saving_without_a_change_tells_nobody(host):
    session = make_session()
    make_booking(session)

    change(host, session)

    assert owed() == []
    assert not session.decisions.exists()


def test_more_places_go_to_the_line_at_once(host):
    session = make_session(capacity=2)
    held, first, second = make_booking(session), make_waiting(session), make_waiting(session)

    change(host, session, capacity=4, max_parties=4, sell_limit=4)

    assert statuses(session) == {held: "confirmed", first: "offered", second: "waiting"}
    assert ledger(session) == {"places": 4, "parties": 2, "offered": 1, "waiting": 1}
    assert owed() == [("offer", first.party_id)]


def test_a_lower_limit_takes_no_place_from_anybody(host):
    session = make_session(capacity=10)
    held = make_booking(session, size=3)

    change(host, session, sell_limit=1)

    session.refresh_from_db()
    assert (session.sell_limit, statuses(session), ledger(session)["places"]) == (1, {held: "confirmed"}, 3)


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        (
            {"capacity": 4, "max_parties": 4, "sell_limit": 4},
            "More is held than that. Lower “places given out at most” instead: then it shrinks as parties leave.",
        ),
        (
            {"max_parties": 1},
            "More is held than that. Lower “places given out at most” instead: then it shrinks as parties leave.",
        ),
        (
            {"sell_limit": 11},
            "Neither the places given out nor the parties can be more than the capacity.",
        ),
    ],
)
def test_a_size_below_what_is_held_is_refused_at_the_form(host, limits, refusal):
    session = make_session(capacity=10)
    make_booking(session, size=3), make_booking(session, size=2)

    answer = change(host, session, **limits)

    assert refusal in errors(answer)
    session.refresh_from_db()
    assert (session.capacity, session.max_parties, session.sell_limit) == (10, 10, 10)


@pytest.mark.django_db(transaction=True)
def test_a_save_that_another_change_got_in_the_way_of_is_started_over(host, monkeypatch):
    session = make_session(capacity=10)
    offer = make_offered(session, queue_number=7)
    tries = []

    def lock_too_late_at_first(*args, **kwargs):
        tries.append(args)
        if len(tries) == 1:
            raise StaleLocks
        return lock_everybody(*args, **kwargs)

    monkeypatch.setattr("bookings.domain.sessions.lock_everybody", lock_too_late_at_first)
    answer = change(host, session, sell_limit=1, offers="recall")

    assert (answer.status_code, len(tries)) == (200, 2)
    assert (statuses(session), owed()) == ({offer: "waiting"}, [("recalled", offer.party_id)])


def test_offers_that_are_too_many_are_honoured_unless_the_host_chooses(host):
    session = make_session(capacity=10)
    make_booking(session, size=3)
    offer = make_offered(session, queue_number=7)

    refused = change(host, session, capacity=4, max_parties=4, sell_limit=4)
    change(host, session, sell_limit=3, offers="honour")

    assert [error for error in errors(refused) if error.startswith("More is held than that, with the places")]
    assert 'name="offers" value="honour" id="id_offers_0" checked' in host.get(address(session)).content.decode()
    assert (statuses(session)[offer], owed()) == ("offered", [])
    session.refresh_from_db()
    assert (session.capacity, session.sell_limit) == (10, 3)


def test_offers_that_are_too_many_are_taken_back_where_the_host_chooses_so(host):
    session = make_session(capacity=10)
    held, offer = make_booking(session, size=3), make_offered(session, queue_number=7)

    change(host, session, capacity=4, max_parties=4, sell_limit=4, offers="recall")

    assert statuses(session) == {held: "confirmed", offer: "waiting"}
    assert owed() == [("recalled", offer.party_id)]
    assert offer.events.latest("pk").who == "host:lin"
    session.refresh_from_db()
    assert session.capacity == 4


def test_where_nothing_is_offered_nobody_is_asked_what_becomes_of_offers(host):
    session = make_session()
    make_booking(session)

    assert 'name="offers"' not in host.get(address(session)).content.decode()
    assert 'name="offers"' not in host.get(reverse("admin:bookings_toursession_add")).content.decode()


def test_a_time_that_has_passed_is_refused_at_the_form_and_what_was_typed_stays(host):
    session = make_session()
    booking = make_booking(session)

    answer = change(
        host, session, starts_at_0="2020-02-13", ends_at_0="2020-02-13", roster_locks_at_0="2020-02-11", capacity=77
    )

    assert errors(answer) == [NOT_SEEN, "That time has passed already."]
    assert 'value="77"' in answer.content.decode()
    session.refresh_from_db()
    assert (session.starts_at, session.capacity, owed(booking.party)) == (YEARS_AHEAD, 60, [])


@pytest.mark.parametrize("year", [2207, 9999])
def test_a_year_mistyped_far_ahead_is_refused_at_the_form(host, year):
    """Such a session would take the home page with it, and seconds of counting waking minutes under its lock."""
    session = make_session()
    far = {"starts_at_0": f"{year}-12-31", "ends_at_0": f"{year}-12-31", "roster_locks_at_0": f"{year}-12-30"}

    moved = change(host, session, **far)
    added = host.post(reverse("admin:bookings_toursession_add"), typed(session, **far))

    assert errors(moved) == errors(added) == ["That is more than a hundred years ahead. Look at the year again."]
    assert list(TourSession.objects.values_list("starts_at", flat=True)) == [YEARS_AHEAD]
    assert owed() == []


def test_a_session_that_has_begun_is_not_moved(host):
    session = make_session(starts_at=datetime(2020, 2, 13, 1, 30, tzinfo=START.tzinfo))

    assert errors(change(host, session)) == ["This session has begun."]


def test_a_session_that_was_called_off_is_not_moved(host):
    session = make_session(called_off_at=NOON)

    assert errors(change(host, session, starts_at_1="10:30", ends_at_1="12:30")) == [
        "This session is called off already."
    ]


def test_publishing_a_session_publishes_its_season(host):
    hidden = make_session(season=make_season(published=False))

    answer = press(host, "publish", hidden)

    assert Season.objects.get().published
    assert messages(answer) == ["1 season changed."]


def test_sign_up_closes_and_opens_again(host):
    session = make_session(capacity=2)
    waiting = make_waiting(session)

    press(host, "close_sign_up", session)
    session.refresh_from_db()
    assert (session.closed_at is not None, statuses(session)) == (True, {waiting: "waiting"})

    press(host, "reopen_sign_up", session)
    session.refresh_from_db()
    assert (session.closed_at, statuses(session)) == (None, {waiting: "offered"})


def test_calling_off_shows_first_who_is_touched(host):
    session = make_session(capacity=9)
    make_booking(session, size=3), make_booking(session, size=2), make_offered(session, size=2)
    make_waiting(session, size=3)

    make_waiting(session, proven=False)

    answer = press(host, "call_off", session)

    counts = {"confirmed": 2, "people": 5, "offered": 1, "waiting": 1, "mails": 4}
    assert answer.context["rows"] == [(session, counts, None)]
    assert "nobody: no other session is open" in answer.content.decode()
    assert "Nothing has happened yet" in answer.content.decode()
    session.refresh_from_db()
    assert (session.called_off_at, owed()) == (None, [])


def test_calling_off_shows_until_when_on_the_clock_of_the_venue_confirmed_parties_go_first(host):
    session = make_session()
    other = make_session(season=session.season, roster_locks_at=timezone.now() + HOUR)

    alone, together = press(host, "call_off", session), press(host, "call_off", session, other)

    locks_at = other.roster_locks_at.astimezone(ZoneInfo("Asia/Shanghai"))
    assert [ends for _session, _counts, ends in alone.context["rows"]] == [locks_at]
    assert f"<td>{locks_at:%Y-%m-%d %H:%M}</td>" in alone.content.decode()
    assert [ends for _session, _counts, ends in together.context["rows"]] == [None, None]


def test_sessions_called_off_together_give_nobody_first_call_on_each_other(host):
    session = make_session()
    other = make_session(season=session.season)
    held = [make_booking(session), make_booking(other)]

    press(host, "call_off", session, other, confirmed="1", reason_0="A flood", reason_1="水灾")

    parties = Party.objects.filter(pk__in=[booking.party_id for booking in held])
    assert [(party.first_call_until, party.ended_at is not None) for party in parties] == [(None, True)] * 2


@pytest.mark.parametrize("reason", [{}, {"reason_0": " ", "reason_1": ""}])
def test_nothing_is_called_off_without_a_reason(host, reason):
    session = make_session()
    held = make_booking(session)

    answer = press(host, "call_off", session, confirmed="1", **reason)

    assert answer.context["form"].errors["reason"]
    session.refresh_from_db()
    assert (session.called_off_at, statuses(session), owed()) == (None, {held: "confirmed"}, [])


def test_calling_off_tells_everybody_touched_and_keeps_the_reason(host):
    session = make_session(capacity=4)
    held, offer, waiting = make_booking(session), make_offered(session), make_waiting(session)

    answer = press(host, "call_off", session, confirmed="1", reason_0="The line is repaired.", reason_1="产线检修。")

    session.refresh_from_db()
    assert session.called_off_at is not None
    assert session.call_off_reason.data == {"en": "The line is repaired.", "zh-hans": "产线检修。"}
    assert statuses(session) == dict.fromkeys((held, offer, waiting), "called off")
    assert sorted(owed()) == sorted(("called_off", booking.party_id) for booking in (held, offer, waiting))
    assert set(BookingEvent.objects.filter(to_status="called off").values_list("who", flat=True)) == {"host:lin"}
    assert ledger(session) == {"places": 0, "parties": 0, "offered": 0, "waiting": 0}
    assert messages(answer) == ["1 session changed."]


def test_what_cannot_be_called_off_is_told_and_the_others_go_on(host):
    off, on = make_session(called_off_at=NOON), make_session()

    answer = press(host, "call_off", off, on, confirmed="1", reason_0="Repairs", reason_1="检修")

    assert messages(answer) == ["2100-02-13 09:30: This session is called off already.", "1 session changed."]
    on.refresh_from_db()
    assert on.called_off_at is not None


def test_a_session_that_parties_chose_keeps_its_season_venue_and_language(host):
    session = make_session()
    make_booking(session)
    elsewhere, later = make_venue(), make_season(tour=session.season.tour)

    change(host, session, venue=elsewhere.pk, season=later.pk, language="de", label_0="Day 5")

    saved = TourSession.objects.get(pk=session.pk)
    assert (saved.venue, saved.season, saved.language) == (session.venue, session.season, session.language)
    assert saved.label.data["en"] == "Day 5"


def test_a_session_that_nobody_chose_may_change_its_venue_and_language(host):
    session, elsewhere = make_session(), make_venue()

    change(host, session, venue=elsewhere.pk, language="de")

    saved = TourSession.objects.get(pk=session.pk)
    assert (saved.venue, saved.language) == (elsewhere, "de")


@pytest.mark.parametrize("page", ["list", "change", "call off"])
def test_pages_of_sessions_take_the_same_number_of_queries_at_two_sizes(host, page):
    session = make_session()

    def grow(parties: int) -> None:
        for _number in range(parties):
            make_booking(session, size=1), make_waiting(session, size=1)
            Decision.objects.create(
                session=session,
                decided_at=NOON,
                trigger=DecisionTrigger.SCAN,
                places_free=0,
                parties_free=0,
                reason=DecisionReason.SAVED,
                saved_for=session.bookings.latest("pk"),
            )
            if page == "list":
                make_session(season=session.season, venue=session.venue)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            answer = press(host, "call_off", session) if page == "call off" else host.get(addresses[page])
        assert answer.status_code == 200
        return len(captured)

    addresses = {"list": LISTED, "change": address(session)}
    grow(1)
    few = queries()
    grow(7)
    assert queries() == few


def test_only_a_session_without_bookings_is_deleted(host):
    booked, empty = make_session(), make_session()
    make_booking(booked)
    pages = {session: reverse("admin:bookings_toursession_delete", args=[session.pk]) for session in (booked, empty)}

    assert host.post(pages[booked], {"post": "yes"}).status_code == 403
    assert host.post(pages[empty], {"post": "yes"}).status_code == 302
    assert list(TourSession.objects.all()) == [booked]


def test_sessions_are_not_deleted_in_bulk(host):
    press(host, "delete_selected", make_session(), post="yes")

    assert TourSession.objects.count() == 1


def test_decisions_are_told_in_words(host):
    session = make_session()
    booking = make_waiting(session, size=3)
    made = {"session": session, "decided_at": YEARS_AHEAD, "trigger": DecisionTrigger.CANCELLED}
    numbers = {"places_free": 2, "parties_free": 1}
    code = booking.party.code_in_words

    decisions = [
        Decision.objects.create(reason=DecisionReason.SAVED, saved_for=booking, **made, **numbers),
        Decision.objects.create(reason=DecisionReason.OFFERED, offered_to=booking, **made, **numbers),
        Decision.objects.create(reason=DecisionReason.FULL, **made, places_free=0, parties_free=0),
        Decision.objects.create(reason=DecisionReason.NOBODY, **made, places_free=1, parties_free=1),
    ]

    assert [decision_in_words(decision) for decision in decisions] == [
        f"2 places and 1 party free; saved for the first in line until its size is free: {code} (3)",
        f"2 places and 1 party free; offered to the next party: {code} (3)",
        "0 places and 0 parties free; nothing is free",
        "1 place and 1 party free; nobody waits",
    ]
    page = host.get(address(session)).content.decode()
    assert f"2100-02-13 09:30 · a party cancelled · {decision_in_words(decisions[1])}" in page


def test_a_decision_tells_what_was_offered_and_not_what_the_booking_has_since(host):
    session = make_session(capacity=2)
    booking = make_waiting(session, size=3, smallest_size=2)
    offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    booking.refresh_from_db()
    wait_for_all(booking.pk, now=NOON)
    assert decision_in_words(session.decisions.all()[0]) == (
        f"2 places and 2 parties free; offered to the next party: {booking.party.code_in_words} (2 of 3)"
    )


def test_a_session_tells_its_last_serving_in_one_sentence(host):
    session = make_session(capacity=5)
    make_booking(session, size=2), make_waiting(session), make_waiting(session, size=3)
    offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    page = host.get(address(session)).content.decode().replace("&nbsp;", " ").replace("\xa0", " ")
    [told] = re.findall("<p><b>(Last offered.*?)</b></p>", page)
    assert told.startswith("Last offered to 1 party; 1 place saved for a party of 3; the line closes in ")
    assert "only the latest is shown" not in page


def test_a_history_of_decisions_that_is_cut_says_so(host):
    session = make_session(capacity=2)
    booking = make_waiting(session, size=3)
    for number in range(LATEST_DECISIONS + 1):
        Decision.objects.create(
            session=session,
            decided_at=NOON + number * HOUR,
            trigger=DecisionTrigger.CANCELLED,
            places_free=2,
            parties_free=2,
            saved_for=booking,
            reason=DecisionReason.SAVED,
        )
    page = host.get(address(session)).content.decode()
    assert page.count("a party cancelled") == LATEST_DECISIONS
    assert "More was decided before; only the latest is shown." in page


def test_the_list_says_how_each_session_stands(host):
    session = make_session(capacity=6, max_parties=3)
    make_booking(session, size=2), make_offered(session, size=2), make_waiting(session, size=3)
    make_session(season=session.season, starts_at=YEARS_AHEAD + timedelta(days=1), called_off_at=NOON)

    page = host.get(LISTED).content.decode().replace("\xa0", " ")

    assert "1 confirmed · 1 offered · 1 free · 1 waiting" in page
    assert ">Waitlist<" in page
    assert ">Called off<" in page
    assert "4 of 6" in page
