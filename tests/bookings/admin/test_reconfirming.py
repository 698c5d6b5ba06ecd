"""The page of a season about who is still coming: who is silent, and whether asking helps."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings.admin.no_shows import Came, NoShows, no_shows
from bookings.domain import reconfirming, visit
from bookings.domain.people import Person
from bookings.models import Booking, BookingStatus, Heartbeat, Notice, NoticeStatus, Season
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_season, make_session, make_tour
from tests.portal.pages import words

pytestmark = pytest.mark.django_db

NOT_NOW = "No places are given up now."
GIVES_UP = "A day after the second mail the places of a silent party are given up"


def page(client: Client, season: Season) -> Any:
    return client.get(reverse("admin:bookings_season_coming", args=[season.pk]))


def make_asked(*, now: datetime, releases: bool = False, **given: Any) -> Booking:
    """Asked a minute ago, five days before the session."""
    season = make_season(asks_again_days=6, releases_silent=releases)
    session = make_session(season=season, starts_at=now + 5 * DAY)
    booking = make_booking(session, status_since=now - 20 * DAY, **given)
    ask(now=now - timedelta(minutes=1))
    return booking


def ask(*, now: datetime) -> None:
    reconfirming.plan_asks(now=now)
    Notice.objects.filter(status=NoticeStatus.QUEUED).update(status=NoticeStatus.SENT, sent_at=now)


def test_the_page_lists_who_is_silent_with_what_a_host_needs_to_call(host: Client) -> None:
    booking = make_asked(now=timezone.now(), phone="+86 10 5550 1234", lead_name="Chen Guowei")

    shown = page(host, booking.session.season)
    told = words(shown)

    assert 'href="tel:+861055501234"' in shown.content.decode()
    assert f'href="mailto:{booking.party.email}"' in shown.content.decode()
    assert "Confirmed parties are asked 6 days before their session, and once more after two days of silence." in told
    assert "1 party has not answered" in told
    assert f"Chen Guowei {booking.party.code_in_words}" in told
    assert f"2 places +86 10 5550 1234 · {booking.party.email} First mail: handed over, " in told
    assert "Second mail: – Is coming" in told


def test_the_page_lists_nobody_who_answered(host: Client) -> None:
    booking = make_asked(now=timezone.now())
    reconfirming.say_yes(
        booking.party_id, booking_pk=booking.pk, starts_at=booking.session.starts_at, now=timezone.now()
    )

    told = words(page(host, booking.session.season))

    assert "0 parties have not answered Nobody who was asked is silent." in told


def test_the_page_says_whether_places_are_given_up(host: Client) -> None:
    keeps = make_asked(now=timezone.now()).session.season
    releases = make_asked(now=timezone.now(), releases=True).session.season

    def notes(season: Season) -> list[bool]:
        told = words(page(host, season))
        return [note in told for note in (NOT_NOW, GIVES_UP)]

    deaf = notes(keeps), notes(releases)
    Heartbeat.objects.create(name="reports", seen_at=timezone.now())

    assert (deaf, notes(keeps), notes(releases)) == (([False, False], [True, False]), [False, False], [False, True])


def answer(client: Client, booking: Booking) -> Any:
    listed = reverse("admin:bookings_season_coming", args=[booking.session.season_id])
    return client.post(listed, {"booking": booking.pk}, follow=True)


def test_a_host_says_for_a_party_that_was_called_that_it_is_coming(host: Client) -> None:
    booking = make_asked(now=timezone.now())

    told = words(answer(host, booking))

    booking.refresh_from_db()
    assert reconfirming.has_said_yes(booking)
    assert f"{booking.party.code_in_words} is still coming." in told
    assert "Nobody who was asked is silent." in told
    assert booking.events.latest("pk").who == "host:lin"


def test_a_party_that_gave_up_its_places_meanwhile_is_not_coming(host: Client) -> None:
    booking = make_asked(now=timezone.now())
    visit.cancel_places(booking.party_id, now=timezone.now())

    told = words(answer(host, booking))

    booking.refresh_from_db()
    assert booking.still_coming_at is None
    assert f"{booking.party.code_in_words}: You hold no places that could be given up." in told


def test_only_parties_of_the_season_are_answered_for(host: Client) -> None:
    booking = make_asked(now=timezone.now())
    other = reverse("admin:bookings_season_coming", args=[make_season().pk])

    answers = [words(host.post(other, {"booking": value}, follow=True)) for value in (booking.pk, "", "x", "9" * 30)]

    booking.refresh_from_db()
    assert ["This party is not on the list." in told for told in answers] == [True] * 4
    assert booking.still_coming_at is None


def test_who_may_only_look_answers_for_nobody(client: Client) -> None:
    booking = make_asked(now=timezone.now())
    clerk = User.objects.create_user("clerk", password="x", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_season", "view_party"]))
    client.force_login(clerk)

    assert (page(client, booking.session.season).status_code, answer(client, booking).status_code) == (200, 403)
    assert "Is coming" not in words(page(client, booking.session.season))


def test_a_season_that_does_not_ask_says_so(host: Client) -> None:
    told = words(page(host, make_season()))

    assert "This season does not ask its parties." in told
    assert "Nothing to compare yet: check-in was used in no session that is over." in told


def test_the_overview_leads_to_the_page_where_the_season_asks(host: Client) -> None:
    asks, never = make_season(asks_again_days=3), make_season()

    def leads(season: Season) -> bool:
        overview = host.get(reverse("admin:bookings_season_overview", args=[season.pk]))
        return reverse("admin:bookings_season_coming", args=[season.pk]) in overview.content.decode()

    assert (leads(asks), leads(never)) == (True, False)


def test_who_may_not_see_parties_does_not_see_the_page(client: Client) -> None:
    clerk = User.objects.create_user("clerk", password="x", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_season"))
    client.force_login(clerk)

    assert page(client, make_season(asks_again_days=3)).status_code == 403


def test_a_season_that_is_not_there_is_not_found(host: Client) -> None:
    assert host.get(reverse("admin:bookings_season_coming", args=[404])).status_code == 404


def test_the_page_asks_the_database_as_often_for_many_silent_parties_as_for_one(host: Client) -> None:
    now = timezone.now()
    booking = make_asked(now=now)
    season = booking.session.season
    page(host, season)
    with CaptureQueriesContext(connection) as few:
        page(host, season)
    for _party in range(6):
        make_booking(booking.session, status_since=now - 20 * DAY)
    ask(now=now)

    with CaptureQueriesContext(connection) as many:
        told = words(page(host, season))

    assert ("7 parties have not answered" in told, len(many)) == (True, len(few))


# --- does asking help?


def make_over(season: Season, *, asked: bool, **statuses: int) -> None:
    """So many parties of each status in a session of the season that is over."""
    session = make_session(season=season)
    for name, number in statuses.items():
        for _party in range(number):
            booking = make_booking(session)
            if asked:
                ask(now=START - 3 * DAY)
            Booking.objects.filter(pk=booking.pk).update(status=name.replace("_", " ").replace("no show", "no-show"))


def test_the_share_that_did_not_come_is_told_for_who_was_asked_and_who_was_not() -> None:
    tour = make_tour()
    older = make_season(tour=tour, opens_at=NOON - 300 * DAY)
    before = make_season(tour=tour, opens_at=NOON - 100 * DAY)
    make_season(opens_at=NOON - 50 * DAY)  # of another tour
    season = make_season(tour=tour, asks_again_days=10, opens_at=NOON - DAY)
    make_over(older, asked=False, checked_in=1)
    make_over(before, asked=False, checked_in=3, no_show=2)
    make_over(season, asked=True, checked_in=8, no_show=1, confirmed=2)
    make_over(make_season(), asked=False, checked_in=1)
    silent = make_session(season=season)
    for status in (BookingStatus.CHECKED_IN, BookingStatus.NO_SHOW):
        make_booking(silent, status)

    told = no_shows(season, now=START + 2 * HOUR)

    assert told == NoShows(
        asked=Came(8, 1),
        not_asked=Came(1, 1),
        season_before=before,
        before=Came(3, 2),
        parties_freed=0,
        places_freed=0,
    )
    shares = [came.missed_share for came in (told.asked, told.not_asked, told.before)]
    assert (shares, told.has_any) == ([11, 50, 40], True)


def test_sessions_that_are_not_over_and_those_without_check_in_are_not_compared() -> None:
    season = make_season()
    make_over(season, asked=False, checked_in=1)
    early = no_shows(season, now=START + 2 * HOUR - timedelta(seconds=1))
    other = make_season()
    make_over(other, asked=False, confirmed=3)
    unused = no_shows(other, now=START + 2 * HOUR)

    assert [told.has_any for told in (early, unused)] == [False, False]
    assert (unused.not_asked, unused.not_asked.missed_share) == (Came(0, 0), None)


def test_what_parties_let_go_after_they_were_asked_is_counted() -> None:
    session = make_session(season=make_season(asks_again_days=10))
    early, late, hosts, kept = (make_booking(session, size=size) for size in (1, 2, 3, 2))
    visit.cancel_places(early.party_id, now=START - 20 * DAY)
    ask(now=START - 10 * DAY)
    visit.cancel_places(late.party_id, now=START - 9 * DAY)
    visit.cancel_places(hosts.party_id, now=START - 9 * DAY, who="host:lin", why="a mistake")

    told = no_shows(session.season, now=START - 8 * DAY)

    assert (told.parties_freed, told.places_freed, kept.status) == (1, 2, "confirmed")


def people_of(booking: Booking, size: int) -> dict[str, Any]:
    lead, *companions = [Person(*person) for person in booking.party.people()[:size]]
    return {"lead": lead, "companions": companions}


def test_what_parties_let_go_by_coming_with_fewer_is_counted() -> None:
    session = make_session(season=make_season(asks_again_days=10), capacity=20)
    early, late, gone, hosts = (make_booking(session, size=3) for _party in range(4))
    visit.come_with_fewer(early.party_id, **people_of(early, 2), now=START - 20 * DAY)
    ask(now=START - 10 * DAY)
    visit.come_with_fewer(late.party_id, **people_of(late, 2), now=START - 9 * DAY)
    visit.come_with_fewer(late.party_id, **people_of(late, 1), now=START - 9 * DAY)
    visit.come_with_fewer(gone.party_id, **people_of(gone, 1), now=START - 9 * DAY)
    visit.cancel_places(gone.party_id, now=START - 8 * DAY)
    visit.come_with_fewer(hosts.party_id, **people_of(hosts, 1), now=START - 9 * DAY, who="host:lin")

    told = no_shows(session.season, now=START - 8 * DAY)

    assert (told.parties_freed, told.places_freed) == (2, 2 + 3)


def test_the_page_tells_the_shares_in_words(host: Client) -> None:
    tour = make_tour()
    before = make_season(tour=tour, opens_at=NOON - 100 * DAY, closes_at=NOON - 80 * DAY)
    season = make_season(tour=tour, asks_again_days=10, opens_at=NOON - 50 * DAY)
    over = timezone.now() - DAY
    for each, statuses in ((before, ["checked in", "no-show"]), (season, ["checked in", "checked in", "no-show"])):
        session = make_session(season=each, starts_at=over)
        for status in statuses:
            make_booking(session, status)

    told = words(page(host, season))

    assert "Were not asked 2 1 33 % The season before: New Year 2027 1 1 50 %" in told
