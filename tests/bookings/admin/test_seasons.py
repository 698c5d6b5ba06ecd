from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.forms import modelform_factory
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings import outbox
from bookings.admin.standing import Machinery, failed_mails, machinery, season_figures, with_places_offered
from bookings.domain.waitlist import offer_free_places
from bookings.models import Booking, DecisionTrigger, Heartbeat, Notice, NoticeKind, NoticeStatus, Season, TourSession
from tests.acts import owed, statuses
from tests.bookings.admin.test_reminder_plans import reminders
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_offered,
    make_party,
    make_season,
    make_session,
    make_tour,
    make_waiting,
)

pytestmark = pytest.mark.django_db

LISTED = reverse("admin:bookings_season_changelist")
SILENT = "No worker or clock has been seen"
FAILED = "did not arrive"


def press(client: Client, action: str, *seasons: Season) -> list[str]:
    """Press the action and return what the page says of it."""
    data = {"action": action, "_selected_action": [season.pk for season in seasons]}
    return [str(message) for message in client.post(LISTED, data, follow=True).context["messages"]]


def overview(client: Client, season: Season) -> Any:
    return client.get(reverse("admin:bookings_season_overview", args=[season.pk]))


def test_a_season_is_published_and_taken_off_the_site(host):
    hidden, shown = make_season(published=False), make_season(published=True)

    assert press(host, "publish", hidden, shown) == ["1 season changed."]
    assert set(Season.objects.public()) == {hidden, shown}

    assert press(host, "unpublish", hidden, shown) == ["2 seasons changed."]
    assert not Season.objects.public().exists()


def test_closing_ends_the_sign_up_of_open_seasons_alone_and_leaves_the_line(host):
    now = timezone.now()
    coming = make_season(opens_at=now + DAY, closes_at=now + 2 * DAY)
    still_open = make_season(opens_at=now - DAY, closes_at=now + DAY)
    over = make_season(opens_at=now - 2 * DAY, closes_at=now - DAY)
    session = make_session(season=still_open, capacity=2)
    waiting = make_waiting(session)

    assert press(host, "close_sign_up", coming, still_open, over) == ["1 season changed."]

    ends = {season: Season.objects.get(pk=season.pk).closes_at for season in (coming, still_open, over)}
    assert now <= ends[still_open] <= timezone.now()
    assert (ends[coming], ends[over]) == (coming.closes_at, over.closes_at)
    assert (statuses(session), owed()) == ({waiting: "waiting"}, [])


def test_a_season_is_added_with_times_on_the_clock_of_the_house(host):
    tour = make_tour()
    make_session()  # its venue keeps Shanghai time

    host.post(
        reverse("admin:bookings_season_add"),
        {
            "tour": tour.pk,
            "title_0": "Spring",
            "title_1": "春季",
            "mode": "first come",
            "opens_at_0": "2100-03-01",
            "opens_at_1": "10:00",
            "closes_at_0": "2100-04-01",
            "closes_at_1": "10:00",
            "choices_allowed": "3",
            "proves_mailbox": "on",
            **reminders({"days": 7}, {"days": 1}),
        },
    )

    season = Season.objects.latest("pk")
    assert season.title.data == {"en": "Spring", "zh-hans": "春季"}
    assert season.opens_at.isoformat() == "2100-03-01T02:00:00+00:00"
    assert (season.published, [str(plan) for plan in season.reminder_plans.all()]) == (
        False,
        ["7 days before", "1 day before"],
    )


def test_the_figures_of_a_season_are_those_of_its_sessions_that_take_place():
    season = make_season(tour=make_tour(smallest_party=1, largest_party=3))
    first = make_session(season=season, capacity=20, max_parties=5)
    second = make_session(season=season, starts_at=START + DAY, capacity=6, max_parties=2)
    off = make_session(season=season, starts_at=START + 2 * DAY, called_off_at=NOON)
    make_booking(first, size=3), make_booking(first, size=2), make_offered(first, size=1, status_since=NOON - 5 * HOUR)
    make_offered(second, size=3, status_since=NOON - HOUR), make_waiting(second, size=3), make_waiting(second, size=2)
    make_offered(make_session(), size=3, status_since=NOON - 9 * HOUR)

    figures = season_figures(season.sessions.select_related("season__tour", "venue"), now=NOON)

    told = asdict(figures)
    lines = told.pop("lines")
    assert told == {
        "confirmed": 2,
        "parties": 7,
        "offered": 2,
        "oldest_offer": NOON - 5 * HOUR,
        "waiting": 2,
        "people": 9,
        "places": 26,
    }
    assert figures.called_off == 1
    assert [(session, tag.kind, str(tag.words), tuple(bar), people) for session, tag, bar, people, *_told in lines] == [
        (first, "few", "Only 2 left", (2, 1, 2, 0, "parties"), 6),
        (second, "wait", "Waitlist", (0, 1, 1, 2, "parties"), 3),
        (off, "out", "Called off", (0, 0, 20, 0, "parties"), 0),
    ]


def test_a_limit_of_parties_that_places_always_reach_first_is_not_told(host):
    season = make_season(tour=make_tour(smallest_party=2, largest_party=3))
    make_booking(make_session(season=season, capacity=12, max_parties=6))
    tight = make_session(season=season, starts_at=START + DAY, capacity=12, max_parties=5)

    def limit() -> int | None:
        sessions = with_places_offered(season.sessions.select_related("season__tour", "venue"))
        return season_figures(sessions, now=NOON).parties

    assert limit() is None
    assert "<dt>Confirmed</dt><dd><b>1</b>parties</dd>" in overview(host, season).content.decode()

    season.sessions.exclude(pk=tight.pk).update(called_off_at=NOON)
    assert limit() == 5
    assert "of 5 parties" in overview(host, season).content.decode()


def test_figures_count_parties_also_where_the_bar_counts_places(host):
    session = make_session(capacity=12)
    make_booking(session, size=3), make_booking(session, size=2), make_offered(session, size=3)
    make_waiting(session, size=2)

    figures = season_figures(
        with_places_offered(session.season.sessions.select_related("season__tour", "venue")), now=NOON
    )
    page = host.get(reverse("admin:bookings_season_overview", args=[session.season_id])).content.decode()

    assert tuple(figures.lines[0].bar) == (5, 3, 4, 1, "places")
    assert (figures.confirmed, figures.offered, figures.waiting, figures.people) == (2, 1, 1, 8)
    assert '<td class="num">2</td><td class="num">1</td><td class="num">1</td>' in page


@pytest.mark.parametrize(
    ("beat", "is_silent"),
    [(None, True), (timedelta(minutes=2, seconds=1), True), (timedelta(minutes=2), False), (timedelta(0), False)],
)
def test_the_machinery_is_silent_after_two_minutes_without_a_beat(beat, is_silent):
    if beat is not None:
        Heartbeat.objects.create(name="clock", seen_at=NOON - beat)
    Heartbeat.objects.create(name="worker of another kind", seen_at=NOON)

    seen_at = None if beat is None else NOON - beat
    assert machinery(now=NOON) == Machinery(NOON, seen_at, server_is_silent=False, late_lanes={})
    assert (machinery(now=NOON).is_silent, machinery(now=NOON).is_in_trouble) == (is_silent, is_silent)


def test_mails_that_wait_are_counted():
    Heartbeat.objects.create(name="clock", seen_at=NOON)
    for minutes, status in enumerate(["queued", "queued", "sent", "bounced", "dead", "void"]):
        owed_at = NOON - timedelta(minutes=minutes)
        post_notice(status, created_at=owed_at, next_attempt_at=owed_at)
    post_notice("queued", created_at=NOON - DAY, next_attempt_at=NOON + HOUR)

    assert machinery(now=NOON).waiting == (2, NOON - timedelta(minutes=1))


# A mail that did not arrive, or perhaps did not, no longer counts once ...
SETTLED: dict[str, dict[str, Any]] = {
    "useless for a week": {"expires_at": NOON - 7 * DAY},
    "of a visit a week ago": {"booking__session__ends_at": NOON - 7 * DAY},
    "of an erased party": {"party__erased_at": NOON},
    "sent again": {"again": "sent"},
    "to be sent again": {"again": "queued"},
}
OPEN: dict[str, dict[str, Any]] = {
    "refused": {},
    "set aside": {"status": "dead"},
    "perhaps handed over": {"status": "unknown"},
    "useless since yesterday": {"expires_at": NOON - DAY},
    "of a visit yesterday": {"booking__session__ends_at": NOON - DAY},
    "of another kind sent since": {"again": "sent", "kind": NoticeKind.LINK},
    "refused twice": {"again": "bounced"},
}


@pytest.mark.parametrize("case", [*OPEN, *SETTLED])
def test_a_failed_mail_counts_once_and_until_nothing_is_left_to_do_about_it(case: str):
    given = dict({**OPEN, **SETTLED}[case])
    again = given.pop("again", None)
    session = make_session(starts_at=given.pop("booking__session__ends_at", START) - 2 * HOUR)
    booking = make_booking(session, erased_at=given.pop("party__erased_at", None))
    kinds = [NoticeKind.CONFIRMED, given.pop("kind", NoticeKind.CONFIRMED)]
    for number, kind in enumerate(kinds if again else kinds[:1]):
        outbox.post(kind, booking.party, booking=booking, key=str(number), now=NOON)
    first, *later = Notice.objects.order_by("pk")
    Notice.objects.filter(pk=first.pk).update(**{"status": "bounced", **given})
    Notice.objects.filter(pk__in=[notice.pk for notice in later]).update(status=again, sent_at=NOON)

    assert failed_mails(now=NOON).count() == int(case in OPEN)


def post_notice(status: str, season: Season | None = None, **values: Any) -> None:
    party = make_party(season=season or make_season())
    outbox.post(NoticeKind.LINK, party, key=str(party.pk), now=NOON)
    sent_at = NOON if status == NoticeStatus.SENT else None
    Notice.objects.filter(party=party).update(status=status, sent_at=sent_at, **values)


def test_an_overview_warns_of_nothing_when_all_is_well(host):
    Heartbeat.objects.create(name="clock", seen_at=timezone.now())
    post_notice(NoticeStatus.SENT)

    page = overview(host, make_season()).content.decode()

    assert (SILENT in page, FAILED in page, "Not published" in page) == (False, False, False)


def test_an_overview_warns_when_nobody_works_and_mails_of_the_season_fail(host):
    Heartbeat.objects.create(name="clock", seen_at=timezone.now() - timedelta(minutes=5))
    season = make_season(published=False)
    for status in (NoticeStatus.BOUNCED, NoticeStatus.DEAD, NoticeStatus.UNKNOWN):
        post_notice(status, season)
    post_notice(NoticeStatus.BOUNCED)

    page = overview(host, season).content.decode()

    assert f"{SILENT} for 5\xa0minutes." in page
    assert "3 mails did not arrive, or perhaps did not." in page
    assert "Not published" in page


def test_the_warning_of_failed_mails_leads_to_exactly_those(host):
    season = make_season()
    for status in (NoticeStatus.BOUNCED, NoticeStatus.DEAD, NoticeStatus.UNKNOWN, NoticeStatus.SENT):
        post_notice(status, season)
    post_notice(NoticeStatus.BOUNCED, season, expires_at=NOON.replace(year=2020))
    post_notice(NoticeStatus.BOUNCED)
    page = overview(host, season).content.decode()
    link = page.split('or perhaps did not.</b> <a href="')[1].split('"')[0]

    listed = host.get(link.replace("&amp;", "&")).context["cl"].result_list

    assert sorted((notice.status, notice.party.season) for notice in listed) == [
        ("bounced", season),
        ("dead", season),
        ("unknown", season),
    ]


def test_an_overview_tells_what_a_session_was_called_off_for(host):
    session = make_session(called_off_at=NOON, call_off_reason="The line is repaired.")

    assert "The line is repaired." in overview(host, session.season).content.decode()


def test_an_overview_tells_the_last_serving_of_each_line(host):
    season = make_season()
    saving, closed = (make_session(season=season, capacity=3, starts_at=START + number * DAY) for number in (0, 1))
    for session in (saving, closed):
        make_booking(session), make_waiting(session)
        offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.CANCELLED)
    TourSession.objects.filter(pk=closed.pk).update(roster_locks_at=NOON)
    lines = season_figures(with_places_offered(season.sessions.select_related("season__tour", "venue")), now=NOON).lines
    assert [line.served.replace("\xa0", " ") for line in lines] == [
        "1 place saved for a party of 2; the line closes in 3 weeks, 2 days.",
        "",
    ]


def test_an_overview_of_a_season_without_sessions_says_so(host):
    page = overview(host, make_season()).content.decode()

    assert "No sessions yet." in page
    assert reverse("admin:bookings_toursession_add") in page


def test_an_unknown_season_has_no_overview(host):
    assert host.get(reverse("admin:bookings_season_overview", args=[4711])).status_code == 404


@pytest.mark.parametrize("page", ["list", "overview"])
def test_pages_of_seasons_take_the_same_number_of_queries_at_two_sizes(host, page):
    session = make_session()
    address = LISTED if page == "list" else reverse("admin:bookings_season_overview", args=[session.season_id])

    def grow(sessions: int) -> None:
        for number in range(sessions):
            another = make_session(season=session.season, starts_at=START + number * DAY)
            make_booking(another), make_offered(another), make_waiting(another)
            make_season()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert host.get(address).status_code == 200
        return len(captured)

    grow(1)
    few = queries()
    grow(7)
    assert Booking.objects.count() == 24
    assert queries() == few


def test_a_page_of_a_season_saved_late_leaves_what_the_rules_wrote_meanwhile():
    season = make_season()
    page = modelform_factory(Season, fields=["choices_allowed"])({"choices_allowed": "2"}, instance=season)
    assert page.is_valid()
    Season.objects.update(first_call_until=NOON)

    admin.site.get_model_admin(Season).save_model(HttpRequest(), page.instance, page, change=True)

    assert Season.objects.values_list("choices_allowed", "first_call_until").get() == (2, NOON)
