"""The simulation plays by the real rules, says the same each time, and leaves the house as it was."""

import os
import random
from collections import Counter
from datetime import datetime, timedelta
from io import StringIO

import pytest
import redis
from django.apps import apps
from django.core.management import CommandError, call_command

from bookings.domain import offers, waitlist
from bookings.domain.invariants import broken_promises
from bookings.management.simulation.figures import Figures, table
from bookings.management.simulation.play import Play, after_waking
from bookings.management.simulation.rules import FIRST_THAT_FITS, STRICT_ORDER, Rule, compared, ours
from bookings.management.simulation.season import OPENS, ZONE, Plans, fill_season
from bookings.management.simulation.simulate import play_season
from bookings.management.simulation.world import own_world
from bookings.models import Booking, BookingStatus, TourSession
from tests.acts import ledger
from tests.factories import make_booking, make_session, make_waiting

RULES = compared([48])
LOCKS = OPENS + timedelta(days=14)
# With these dice the party of two says yes to its first offer within the hour.
DICE = "0"


def rows() -> dict[str, list[dict[str, object]]]:
    models = apps.get_app_config("bookings").get_models()
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}


@pytest.fixture
def own_rows():
    with own_world():
        yield


@pytest.mark.django_db
def test_the_rows_the_queue_and_the_rules_of_the_house_are_left_alone():
    make_waiting(make_session(capacity=2))
    before = rows()
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as broker:
        queued = broker.llen("celery")

        figures = play_season(0, rules=[FIRST_THAT_FITS], sessions=1, seed=1)

        assert broker.llen("celery") == queued
    assert [played.sessions for played in figures] == [1]
    assert rows() == before
    assert waitlist.FILLS_GAPS == offers.LAST_CALL == timedelta(hours=24)


@pytest.mark.django_db
def test_the_same_seed_gives_the_same_figures_and_another_seed_others():
    first, again, other = (play_season(0, rules=[ours(48)], sessions=1, seed=seed) for seed in (1, 1, 2))

    assert first == again != other


@pytest.mark.django_db
def test_ours_is_among_the_rules_compared():
    assert ours(48) in compared([24, 48, 72])
    assert (ours(24).fills_gaps, ours(24).last_call) == (waitlist.FILLS_GAPS, offers.LAST_CALL)


@pytest.mark.django_db
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_promise_is_kept_when_the_play_is_over(own_rows, rule: Rule):
    plans = fill_season(sessions=2, chance=random.Random(3))
    in_line = [ledger(session)["waiting"] for session in TourSession.objects.all()]
    last_lock = TourSession.objects.latest("roster_locks_at").roster_locks_at

    figures = Play(plans, dice="3").under(rule)

    assert sum(in_line) >= 60
    assert figures.sessions == 2
    assert list(broken_promises(now=last_lock)) == []
    assert waitlist.close_lines(now=last_lock) > 0
    assert list(broken_promises(now=last_lock)) == []
    assert not Booking.objects.filter(status__in=[BookingStatus.WAITING, BookingStatus.OFFERED]).exists()


@pytest.mark.django_db
def test_strict_order_passes_nobody_over_and_first_that_fits_does():
    strict, first = play_season(0, rules=[STRICT_ORDER, FIRST_THAT_FITS], sessions=1, seed=1)

    assert (strict.passed_over, first.passed_over > 0) == (0, True)


def two_free_places_half_way() -> dict[int, Plans]:
    """A party of two cancels half-way; a three and a two stand in line."""
    session = make_session(capacity=3, starts_at=LOCKS + timedelta(days=2))
    staying, leaving, three, two = (
        make_booking(session, size=1),
        make_booking(session, size=2),
        make_waiting(session, size=3),
        make_waiting(session, size=2),
    )
    return {
        staying.party_id: Plans(size=1, short_notice=False, cancels_after=None, waited=False),
        leaving.party_id: Plans(size=2, short_notice=False, cancels_after=0.5, waited=False),
        three.party_id: Plans(size=3, short_notice=False, cancels_after=None, waited=True),
        two.party_id: Plans(size=2, short_notice=True, cancels_after=None, waited=True),
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rule", "idle_hours", "passed_over", "placed"),
    [
        (STRICT_ORDER, 7 * 24, 0, {}),
        (FIRST_THAT_FITS, 0, 1, {2: 1}),
        (ours(48), 5 * 24, 1, {2: 1}),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_figures_of_two_places_that_the_first_in_line_is_too_many_for(
    own_rows, rule: Rule, idle_hours: int, passed_over: int, placed: dict[int, int]
):
    figures = Play(two_free_places_half_way(), dice=DICE).under(rule)

    assert figures == Figures(
        sessions=1,
        empty_places=0 if placed else 2,
        idle_place_hours=figures.idle_place_hours,
        passed_over=passed_over,
        waited=Counter({3: 1, 2: 1}),
        placed=Counter({3: 0, 2: 0} | placed),
    )
    assert figures.idle_place_hours == pytest.approx(2 * idle_hours)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2027-03-01 10:00", 2, "2027-03-01 12:00"),
        ("2027-03-01 03:00", 2, "2027-03-01 10:00"),
        ("2027-03-01 21:00", 2, "2027-03-02 09:00"),
        ("2027-03-01 23:00", 14.5, "2027-03-03 08:30"),
    ],
)
def test_answers_come_in_waking_hours(start: str, hours: float, end: str):
    at = lambda text: datetime.fromisoformat(text).replace(tzinfo=ZONE)

    assert after_waking(at(start), timedelta(hours=hours)) == at(end)


def test_the_table_is_a_table_in_a_terminal_and_in_markdown():
    figures = Figures(2, 3, 101.0, 5, waited=Counter({1: 4, 2: 2, 3: 1}), placed=Counter({1: 3}))

    assert table([("strict order", figures), ("ours", figures)]).splitlines() == [
        "| rule         | empty places | idle place-hours | passed over | success of 1 | of 2 | of 3 | of 4 |",
        "| ------------ | -----------: | ---------------: | ----------: | -----------: | ---: | ---: | ---: |",
        "| strict order |         1.50 |               50 |         2.5 |         75 % |  0 % |  0 % |    - |",
        "| ours         |         1.50 |               50 |         2.5 |         75 % |  0 % |  0 % |    - |",
    ]


@pytest.mark.any_database
def test_the_command_prints_one_table_and_how_it_was_made():
    out = StringIO()

    call_command("simulate_waitlist", "--seasons", "1", "--sessions", "1", "--seed", "7", "--hours", "36", stdout=out)

    made, empty, head, _line, *played = out.getvalue().splitlines()
    assert made.startswith("Seasons: 1, seed 7, sessions in each: 1, of 60 places and 23 parties; ")
    assert (empty, head.split("|")[1].strip()) == ("", "rule")
    assert [row.split("|")[1].strip() for row in played] == [
        "strict order",
        "first that fits",
        "ours, 36 h of last call",
    ]


@pytest.mark.parametrize("given", [["--seasons", "0"], ["--sessions", "-1"], ["--hours", "two"]])
def test_the_command_takes_whole_numbers_from_one(given: list[str]):
    with pytest.raises(CommandError, match="whole number from 1"):
        call_command("simulate_waitlist", *given)
