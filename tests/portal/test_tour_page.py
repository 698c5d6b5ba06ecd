import pytest

from bookings.models import Drawing, TourStop
from portal.views.tour_words import rules
from tests.factories import DAY, NOON, both, make_season, make_session, make_tour
from tests.portal.pages import links, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def make_stop(tour, position, name, **given):
    title, text = both(name, name), both(f"About the {name}.", name)
    return TourStop.objects.create(tour=tour, position=position, title=title, text=text, **given)


def test_the_stops_stand_in_order_with_drawings_and_minutes(client):
    tour = make_tour(slug="line", story=both("One.\n\nTwo.", "一。"))
    make_stop(tour, 2, "paint shop", minutes=15)
    make_stop(tour, 1, "press shop", minutes=18, drawing=Drawing.PRESS)
    make_session(season=make_season(tour=tour))
    page = client.get("/en/tours/line/")
    assert "One. Two. The stops 33 minutes press shop 18 min About the press shop. paint shop 15 min" in words(page)
    assert page.content.count(b"drawings/") == 1
    assert b"drawings/press.svg" in page.content


def test_the_way_on_leads_to_the_sessions_of_this_tour(client):
    session = make_session(season=make_season(tour=make_tour(slug="line")))
    assert f"/en/#season-{session.season_id}" in links(client.get("/en/tours/line/"))


def test_a_tour_without_sessions_to_come_says_so(client):
    make_session(season=make_season(tour=make_tour(slug="line")), starts_at=NOON - DAY)
    page = client.get("/en/tours/line/")
    assert page.status_code == 200
    assert "This tour has no sessions to come just now." in words(page)


def test_the_meeting_point_is_said_once(client):
    session = make_session(season=make_season(tour=make_tour(slug="line")))
    make_session(season=session.season, venue=session.venue, starts_at=session.starts_at + DAY)
    page = words(client.get("/en/tours/line/"))
    assert page.count("Gate 3 · Northgate Works 18 Foundry Road Be there 15 minutes before the start.") == 1


@pytest.mark.parametrize("published", [False, None])
def test_a_tour_nobody_may_see_yet_is_not_found(client, published):
    tour = make_tour(slug="line")
    if published is not None:
        make_season(tour=tour, published=published)
    assert client.get("/en/tours/line/").status_code == 404


def test_a_rule_is_headed_by_its_first_short_sentence():
    tour = make_tour(
        minimum_age=6,
        identification=both("", ""),
        clothing=both("Flat, closed shoes. We lend vests.", "请穿平底包脚鞋。背心由我们提供。"),
        lockers=both("Bags, umbrellas and telephones have to stay in the lockers at the gate.", "包要存放。"),
    )
    told = [(rule.icon, rule.title, rule.words) for rule in rules(tour)]
    assert told == [
        ("age", "From 6 years", "At least one adult of 18 or older in every party."),
        ("shoe", "Flat, closed shoes", "We lend vests."),
        ("locker", "Lockers", "Bags, umbrellas and telephones have to stay in the lockers at the gate."),
    ]


def test_a_tour_costs_a_fixed_number_of_queries(client, django_assert_num_queries):
    tour = make_tour(slug="line")
    make_session(season=make_season(tour=tour))
    for position in range(1, 9):
        make_stop(tour, position, f"stop {position}")
    with django_assert_num_queries(6):  # tour, stops, venues, seasons, house, tour of the head
        client.get("/en/tours/line/")
