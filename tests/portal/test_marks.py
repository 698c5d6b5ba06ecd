import re

import pytest

from bookings.tallies import Tally
from portal.templatetags.marks import day_figures, marks, marks_words, party_figures, party_marks, scaled


def figures_in(svg: str, state: str) -> int:
    path = re.search(rf'class="m-{state}" d="([^"]*)"', svg)
    return path[1].count("M") if path else 0


def view_box(svg: str) -> str:
    box = re.search(r'viewBox="([^"]*)"', svg)
    assert box
    return box[1]


def test_every_party_is_one_figure_in_the_order_confirmed_offered_free():
    svg = marks(16, 2, 2, 0)

    assert [figures_in(svg, state) for state in ("confirmed", "offered", "half", "free")] == [16, 2, 2, 2]
    assert re.findall(r'class="(m-\w+)"', svg) == ["m-confirmed", "m-offered", "m-half", "m-free"]


def test_a_bar_has_at_most_six_paths():
    assert marks(10, 5, 5, 27).count("<path") == 6


@pytest.mark.parametrize(("waiting", "dots", "plus"), [(1, 1, 0), (5, 5, 0), (6, 5, 1), (34, 5, 1)])
def test_five_dots_and_a_plus_stand_for_a_long_line(waiting, dots, plus):
    assert figures_in(marks(20, 0, 0, waiting), "waiting") == dots + plus


def test_all_bars_of_a_list_have_one_scale():
    assert {view_box(bar) for bar in (marks(20, 0, 0, 9), marks(3, 1, 16, 0))} == {"0 0 283.5 18"}


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ((16, 2, 2), (16, 2, 2)),
        ((30, 0, 0), (30, 0, 0)),
        ((31, 0, 0), (20, 0, 0)),
        ((58, 1, 1), (18, 1, 1)),
        ((0, 0, 60), (0, 0, 20)),
        ((1, 0, 59), (1, 0, 19)),
        ((0, 1, 59), (0, 1, 19)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_above_thirty_parties_twenty_figures_show_the_share(numbers, shown):
    assert scaled(*numbers) == shown


def test_what_is_not_nothing_always_keeps_a_figure():
    for confirmed in range(0, 61, 5):
        for offered in range(0, 61 - confirmed, 3):
            shown = scaled(confirmed, offered, 60 - confirmed - offered)
            assert sum(shown) == 20
            assert [n > 0 for n in shown] == [n > 0 for n in (confirmed, offered, 60 - confirmed - offered)]


def test_places_are_shown_as_a_share_even_when_they_are_few():
    assert figures_in(party_marks(Tally(6, 0, 6, unit="places")), "confirmed") == 10


@pytest.mark.parametrize(
    ("tally", "words"),
    [
        (Tally(16, 2, 2), "16 confirmed · 2 offered · 2 free"),
        (Tally(20, 0, 0, 27), "All 20 taken · 27 waiting"),
        (Tally(18, 2, 0, 21), "18 confirmed · 2 offered · 21 waiting"),
        (Tally(0, 0, 20), "20 free"),
        (Tally(5, 1, 6, 2, "places"), "5 places confirmed · 1 place offered · 6 places free · 2 parties waiting"),
    ],
)
def test_the_same_stands_beside_it_in_words(tally, words):
    told = marks_words(tally)
    assert told.replace("\xa0", " ") == words
    assert told.split(" ") == [f"{part}\xa0·" for part in told.split("\xa0· ")[:-1]] + told.split("\xa0· ")[-1:]


def test_a_session_without_places_says_so():
    assert marks_words(Tally(0, 0, 0)) == "No places yet"


def test_a_tile_shows_as_many_figures_as_people():
    assert figures_in(party_figures("3"), "plain") == 3
    assert party_figures("") == ""


def test_a_day_shows_one_figure_a_session():
    assert re.findall(r'class="(m-\w+)"', day_figures(["free", "full", "off"])) == ["m-free", "m-confirmed", "m-off"]
