"""The example house: the season of DESIGN part 1 on the right days, in both languages, written once."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.core.management import call_command
from django.utils import timezone
from i18nfield.fields import I18nCharField, I18nTextField

from bookings.domain.invariants import broken_promises
from bookings.domain.reconfirming import is_asked
from bookings.management.demo import calendar
from bookings.management.demo.rush import Rush
from bookings.management.demo.season import write_car_line, write_evenings
from bookings.models import (
    Booking,
    House,
    Notice,
    OfferSource,
    Party,
    Season,
    SessionState,
    Tour,
    TourSession,
    TourStop,
    Venue,
)

pytestmark = pytest.mark.django_db

BEIJING = ZoneInfo("Asia/Shanghai")
MODELS = list(apps.get_app_config("bookings").get_models())


def seed(*arguments: str) -> str:
    out = StringIO()
    call_command("seed_demo", *arguments, stdout=out)
    return out.getvalue()


def dump() -> dict[str, list[dict[str, object]]]:
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in MODELS}


def texts() -> Iterator[tuple[str, dict[str, str]]]:
    """Every text a host would write that is filled in, by language."""
    for model in MODELS:
        fields = [f.name for f in model._meta.fields if isinstance(f, I18nCharField | I18nTextField)]
        for row in model._default_manager.all():
            for name in fields:
                value = getattr(row, name)
                if str(value):
                    yield f"{model.__name__}.{name}", value.data


def test_the_season_has_960_places_in_16_sessions_of_20_parties():
    seed()

    sessions = TourSession.objects.all()
    assert Counter((s.capacity, s.sell_limit, s.max_parties) for s in sessions) == {(60, 60, 20): 16}
    assert {s.state(timezone.now()) for s in sessions} == {SessionState.PLACES}
    assert {s.starts_at - s.roster_locks_at for s in sessions} == {timedelta(days=2)}
    assert {s.ends_at - s.starts_at for s in sessions} == {timedelta(hours=2)}
    assert {s.language for s in sessions} == {"en", "zh-hans"}


@pytest.mark.parametrize("year", range(2026, 2051))
def test_five_sessions_lie_on_festival_days_5_to_7_the_others_on_monday_and_saturday_mornings(year):
    runs = calendar.runs(year, BEIJING)
    first = calendar.new_year(year)

    assert len(runs) == len({run.starts_at for run in runs}) == 16
    assert runs == sorted(runs, key=lambda run: run.starts_at)
    festival = [run for run in runs if run.festival_day]
    assert [(run.starts_at.date() - first).days + 1 for run in festival] == [run.festival_day for run in festival]
    assert [run.festival_day for run in festival] == [5, 5, 6, 6, 7]
    others = [run for run in runs if not run.festival_day]
    assert {run.starts_at.weekday() for run in others} == {0, 5}
    assert all(run.starts_at.time() < time(12) for run in others)
    closed = {first + timedelta(days=days) for days in range(-1, 7)}
    assert not {run.starts_at.date() for run in others} & closed, "on New Year's Eve and the festival days it rests"
    assert runs[-1].starts_at - runs[0].starts_at < timedelta(days=36), "all around one month"


def test_the_festival_is_computed_from_the_lunar_calendar():
    assert [calendar.new_year(year) for year in (2025, 2026, 2027, 2033)] == [
        date(2025, 1, 29),
        date(2026, 2, 17),
        date(2027, 2, 6),
        date(2033, 1, 31),
    ]


@pytest.mark.parametrize(
    ("today", "year"),
    [
        pytest.param(date(2026, 11, 22), 2027, id="in autumn the coming winter"),
        pytest.param(date(2027, 1, 17), 2027, id="two weeks and a day before its first session"),
        pytest.param(date(2027, 1, 18), 2028, id="too late to sign up in peace"),
        pytest.param(date(2027, 2, 10), 2028, id="during the festival"),
        pytest.param(date(2027, 12, 31), 2028, id="on the last day of the year"),
    ],
)
def test_it_is_the_next_new_year_that_there_is_time_for(today, year):
    assert calendar.next_season_year(today) == year


@pytest.mark.parametrize("now", [datetime(2026, 11, 22, tzinfo=UTC), datetime(2027, 1, 17, 23, tzinfo=UTC)])
def test_sign_up_is_open_on_the_day_it_is_seeded(now):
    season = write_car_line(now=now)

    assert {session.state(now) for session in season.sessions.select_related("season__tour")} == {SessionState.PLACES}


def test_running_it_again_changes_nothing_whatever_a_host_changed():
    seed()
    Season.objects.update(published=False)
    House.objects.update(phone="")
    TourSession.objects.order_by("pk")[0].delete()
    before = dump()

    assert seed() == "The example season is there already. Nothing was changed.\n"

    assert dump() == before
    assert [model.objects.count() for model in (House, Venue, Tour, TourStop, TourSession)] == [1, 1, 1, 6, 15]


def test_it_says_what_is_fact_and_what_is_example():
    told = seed()

    assert "16 sessions with 960 places" in told
    assert told.index("What is fact:") < told.index("16 sessions, 960 visitors") < told.index("What is example:")


@pytest.mark.any_database
@pytest.mark.django_db(transaction=True)
def test_the_rush_is_played_once_and_leaves_something_true_to_show_everywhere():
    now = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
    season = write_car_line(now=now)
    Rush(now=now).play(season, write_evenings(venue=season.sessions.earliest("pk").venue, now=now))
    before = dump()

    assert list(broken_promises(now=now)) == []
    check_the_season(now)
    check_the_evenings(now)
    check_every_text_in_both_languages()
    assert "The rush was played already. Nothing was changed." in seed("--rush")
    assert dump() == before


def check_the_season(now: datetime) -> None:
    """Full sessions with long lines, sessions with places, offers of both kinds, and every way a booking can end."""
    counted = Counter(Booking.objects.values_list("status", flat=True))
    assert set(counted) >= {
        "waiting", "offered", "confirmed", "checked in", "no-show", "cancelled", "called off", "superseded",
        "withdrawn", "declined", "lapsed", "dropped",
    }  # fmt: skip
    season = Season.objects.get(tour__slug="car-line")
    states = Counter(session.state(now) for session in season.sessions.select_related("season__tour"))
    assert states[SessionState.CALLED_OFF] == 1
    assert states[SessionState.WAITLIST] >= 5
    assert states[SessionState.PLACES] >= 3
    assert season.sessions.filter(parties_held=20).count() >= 4
    assert max(season.sessions.values_list("parties_waiting", flat=True)) >= 20
    offers = Booking.objects.filter(status="offered", offer_expires_at__gt=now)
    assert set(offers.values_list("offer_source", flat=True)) == {OfferSource.SIGN_UP, OfferSource.WAITLIST}
    assert not Party.objects.exclude(email__regex=r"@example\.(com|org|net)$").exists()
    assert set(Notice.objects.values_list("kind", flat=True)) >= {
        "prove", "in_line", "offer", "offer_lapsed", "confirmed", "cancelled", "changed", "called_off",
    }  # fmt: skip


def check_the_evenings(now: datetime) -> None:
    """Around today: who came yesterday, who comes tomorrow, and places saved for a party of three."""
    yesterday, tomorrow, in_a_week = TourSession.objects.filter(season__tour__slug="evening").order_by("starts_at")
    today = now.astimezone(BEIJING).date()
    days = [(session.local_start.date() - today).days for session in (yesterday, tomorrow, in_a_week)]
    assert days == [-1, 1, 7]
    assert {(session.capacity, session.max_parties) for session in (yesterday, tomorrow, in_a_week)} == {(12, 12)}
    assert Counter(yesterday.bookings.values_list("status", "arrived")) == {
        ("checked in", 2): 4,
        ("checked in", 1): 1,
        ("no-show", None): 1,
    }
    coming = tomorrow.bookings.filter(status="confirmed")
    assert [is_asked(booking, now=now) for booking in coming] == [True] * 4
    saved = in_a_week.decisions.get()
    assert saved.saved_for
    assert (saved.reason, saved.saved_for.places, saved.places_free) == ("saved", 3, 2)


def check_every_text_in_both_languages() -> None:
    found = dict(texts())
    assert {name: set(words) for name, words in found.items()} == {name: {"en", "zh-hans"} for name in found}
    for name, words in texts():
        english, chinese = words["en"], words["zh-hans"]
        assert all([english.strip(), chinese.strip()]), name
        assert not re.search(r"[\u4e00-\u9fff]", english), name
        assert re.search(r"[\u4e00-\u9fff]", chinese), name
        assert not re.search(r"[!！]|亲爱的|尊敬的|你", english + chinese), name
        if not name.startswith(("Venue.gate", "House")):
            assert not re.search(r"[\u4e00-\u9fff][0-9]|[0-9][\u4e00-\u9fff]", chinese), f"{name}: no space at digits"
