from datetime import timedelta

import pytest

from bookings.models import BookingStatus
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    both,
    make_booking,
    make_house,
    make_season,
    make_session,
    make_tour,
    make_venue,
)
from tests.portal.pages import links, rows, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def held(session, **ledger):
    """The session with a ledger as many bookings would leave it."""
    type(session).objects.filter(pk=session.pk).update(**ledger)


def test_each_session_tells_its_state_in_words(client):
    season = make_season()

    def at(hours, **given):
        return make_session(season=season, starts_at=START + hours * HOUR, **given)

    held(at(0), places_held=27, parties_held=12, parties_offered=1)
    held(at(1), places_held=50, parties_held=18)
    held(at(2), places_held=55, parties_held=20, parties_waiting=27)
    held(at(3, language="en"), places_held=48, parties_held=19, parties_offered=1, parties_waiting=3)
    held(at(4, closed_at=NOON), places_held=2, parties_held=1)
    held(at(5, closed_at=NOON), places_held=60, parties_held=20)
    at(6, called_off_at=NOON, call_off_reason=both("The lift is being repaired.", "升降台检修。"))

    assert rows(client.get("/en/")) == [
        "09:30 8 free 11 confirmed · 1 offered · 8 free In Chinese Sign up , Saturday 13 February, 09:30",
        "10:30 Only 2 left 18 confirmed · 2 free In Chinese Sign up , Saturday 13 February, 10:30",
        "11:30 Waitlist All 20 taken · 27 waiting In Chinese Join the waitlist , Saturday 13 February, 11:30",
        "12:30 Waitlist 18 confirmed · 1 offered · 1 free · 3 waiting In English Join the waitlist ,"
        " Saturday 13 February, 12:30",
        "13:30 Closed 1 confirmed · 19 free In Chinese See the session , Saturday 13 February, 13:30",
        "14:30 Full All 20 taken In Chinese See the session , Saturday 13 February, 14:30",
        "15:30 Called off The lift is being repaired.",
    ]


def test_what_is_free_is_what_a_party_could_have_under_both_limits(client):
    session = make_session()
    type(session).objects.update(sell_limit=40, places_held=38, parties_held=14)
    [row] = rows(client.get("/en/"))
    assert "Only 2 left 14 confirmed · 2 free" in row


def test_a_session_without_a_limit_of_parties_counts_places(client):
    session = make_session(capacity=12)
    make_booking(session, size=3)
    make_booking(session, BookingStatus.OFFERED, size=2)
    [row] = rows(client.get("/en/"))
    assert row.startswith("09:30 7 free 3 places confirmed · 2 places offered · 7 places free")


def test_before_the_opening_each_session_says_when_it_opens(client):
    make_session(season=make_season(opens_at=NOON + DAY))
    page = client.get("/en/")
    assert "Sign-up opens on 19 January, 20:00, Beijing time." in words(page)
    assert "Opens 19 January, 20:00" in rows(page)[0]
    assert "See the session" in rows(page)[0]


def test_an_open_season_says_until_when(client):
    make_session(season=make_season(closes_at=START - DAY))
    assert "Sign-up is open until 12 February, 09:30." in words(client.get("/en/"))


def test_a_season_that_has_closed_says_so(client):
    make_session(season=make_season(closes_at=NOON - HOUR))
    assert "Sign-up has closed." in words(client.get("/en/"))


def test_facts_and_count_stand_in_words(client):
    season = make_season(tour=make_tour(price=both("Free", "免费")))
    make_session(season=season, starts_at=START)
    make_session(season=season, starts_at=START + 14 * DAY)
    page = words(client.get("/en/"))
    assert "When 13–27 February Your party Up to 3 people Age From 6 Price Free" in page
    assert "2 sessions, 20 parties each" in page


def five_sessions():
    season = make_season()
    label = both("New Year · day 5", "新春 · 初五")
    make_session(season=season, starts_at=START - 3 * DAY, label=label)  # a Wednesday
    make_session(season=season, starts_at=START)
    make_session(season=season, starts_at=START, language="en")
    make_session(season=season, starts_at=START + 2 * DAY)  # a Monday
    make_session(season=season, starts_at=START + 7 * DAY)
    return season


def test_filters_are_links_and_only_those_that_make_a_difference(client):
    season = five_sessions()
    page = client.get("/en/")
    assert [link for link in links(page) if link.startswith("?")] == [
        f"?#season-{season.pk}",
        f"?season={season.pk}&only=festival#season-{season.pk}",
        f"?season={season.pk}&only=weekend#season-{season.pk}",
        f"?season={season.pk}&only=weekday#season-{season.pk}",
        f"?season={season.pk}&only=zh-hans#season-{season.pk}",
        f"?season={season.pk}&only=en#season-{season.pk}",
    ]
    assert "All days New Year Saturdays Mondays In Chinese In English" in words(page)


@pytest.mark.parametrize(
    ("query", "sessions"),
    [("only=festival", 1), ("only=weekend", 3), ("only=weekday", 1), ("only=en", 1), ("only=nonsense", 5), ("", 5)],
)
def test_a_filter_shows_its_sessions_and_marks_itself(client, query, sessions):
    five_sessions()
    page = client.get(f"/en/?{query}")
    assert len(rows(page)) == sessions
    assert page.content.count(b'aria-current="true"') == 1  # the filter; the tab of this very page is a "page"


def test_a_short_list_has_no_filters(client):
    make_session()
    assert b"filters" not in client.get("/en/").content


def test_the_month_beside_the_list_leads_to_its_days(client):
    season = five_sessions()
    page = client.get("/en/").content.decode().replace("\u00a0", " ")
    assert "<caption>February 2027</caption>" in page
    day = f"day-{season.pk}-2027-02-13"
    assert f'href="#{day}" aria-label="Saturday 13 February: 09:30 20 free · 09:30 20 free"' in page
    assert f'id="{day}"' in page


def test_a_season_over_a_months_end_shows_both_months(client):
    season = make_season()
    make_session(season=season, starts_at=START)
    make_session(season=season, starts_at=START + 30 * DAY)
    page = client.get("/zh-hans/").content.decode().replace("\u00a0", " ")
    assert "<caption>2027 年 2 月</caption>" in page
    assert "<caption>2027 年 3 月</caption>" in page


def test_the_lanterns_hang_in_a_season_with_a_festival_only(client):
    session = make_session()
    assert b"hero.svg" in client.get("/en/").content
    session.label = both("New Year · day 5", "新春 · 初五")
    session.save()
    assert b"hero-new-year.svg" in client.get("/en/").content


def test_the_season_that_takes_sign_ups_stands_first_and_the_others_follow(client):
    later = make_season(opens_at=NOON + DAY, tour=make_tour(slug="later", title=both("By night", "夜访")))
    make_session(season=later)
    make_session(season=make_season(tour=make_tour(slug="now", title=both("By day", "日访"))))
    page = client.get("/en/").content.decode()
    assert page.index("<h1") < page.index("By day</h1>") < page.index("By night</h2>")
    assert {"/en/tours/now/", "/en/tours/later/"} <= set(links(client.get("/en/")))


def test_sessions_over_and_drafts_are_not_listed(client):
    season = make_season()
    make_session(season=season, starts_at=NOON - DAY)
    make_session(season=season)
    make_session(season=make_season(published=False))
    assert len(rows(client.get("/en/"))) == 1


def test_between_seasons_the_page_says_what_to_do(client):
    make_house()
    make_session(starts_at=NOON - DAY)
    page = client.get("/en/")
    assert page.status_code == 200
    assert "The door is shut for now." in words(page)
    assert "mailto:visits@works.example" in links(page)


def test_a_portal_without_any_row_answers(client):
    assert client.get("/en/").status_code == 200
    assert client.get("/zh-hans/").status_code == 200


def test_places_and_clocks_that_differ_are_said_in_each_row(client):
    session = make_session()
    south = make_venue(name=both("South", "南"), time_zone="Asia/Tokyo", time_zone_name=both("", ""))
    make_session(season=session.season, starts_at=START + HOUR, venue=south)
    assert "In Chinese · Northgate Works · Beijing time" in rows(client.get("/en/"))[0]
    assert "11:30 20 free 20 free In Chinese · South · Asia/Tokyo" in rows(client.get("/en/"))[1]


@pytest.mark.parametrize("sessions", [2, 24])
def test_the_number_of_queries_does_not_grow_with_the_sessions(client, sessions, django_assert_num_queries):
    season = make_season()
    for number in range(sessions):
        session = make_session(season=season, starts_at=START + number * HOUR, capacity=12)
        make_booking(session, BookingStatus.OFFERED)
    with django_assert_num_queries(5):  # seasons, sessions, places offered, house, tour of the head
        client.get("/en/")


def test_caches_may_keep_the_page_for_a_second_whoever_asks(client):
    make_session()
    response = client.get("/en/", headers={"accept-encoding": "gzip"})
    assert (response["Cache-Control"], response["Vary"]) == ("public, max-age=1", "Accept-Encoding")
    assert response["Content-Encoding"] == "gzip"
    assert not response.cookies


def test_the_other_language_is_the_same_page(client):
    make_session()
    assert "/zh-hans/?only=en" in links(client.get("/en/?only=en"))
    assert "/en/" in links(client.get("/zh-hans/"))


def test_a_session_that_has_begun_still_stands_in_the_list_as_closed(client):
    make_session(starts_at=NOON - timedelta(minutes=5), roster_locks_at=NOON - DAY)
    assert "Closed" in rows(client.get("/en/"))[0]
