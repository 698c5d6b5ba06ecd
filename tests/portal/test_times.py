from datetime import UTC, date, datetime, timedelta

import pytest
from django.template import Context, Template
from django.utils.translation import override

from bookings.models import TourSession, Venue
from portal.templatetags import times

BEIJING = Venue(time_zone="Asia/Shanghai", time_zone_name="Beijing time", arrive_before=15)
SESSION = TourSession(
    venue=BEIJING, starts_at=datetime(2027, 2, 13, 1, 30, tzinfo=UTC), ends_at=datetime(2027, 2, 13, 3, 30, tzinfo=UTC)
)


def plain(words: str) -> str:
    """Words with their no-break spaces as common ones, easier to read in a test."""
    return words.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("said", "english", "chinese"),
    [
        (times.session_day, "Saturday 13 February", "2 月 13 日星期六"),
        (times.session_full_day, "Saturday 13 February 2027", "2027 年 2 月 13 日星期六"),
        (times.session_date, "13 February", "2 月 13 日"),
        (times.session_when, "Saturday 13 February, 09:30", "2 月 13 日星期六 09:30"),
        (times.session_full_when, "Saturday 13 February 2027, 09:30", "2027 年 2 月 13 日星期六 09:30"),
        (times.session_day_and_hours, "Saturday 13 February, 09:30–11:30", "2 月 13 日星期六 09:30–11:30"),
        (times.session_hours, "09:30–11:30", "09:30–11:30"),
        (times.be_there_time, "09:15", "09:15"),
    ],
)
def test_a_session_is_dated_on_the_venues_clock(said, english, chinese):
    with override("en"):
        assert plain(said(SESSION)) == english
    with override("zh-hans"):
        assert plain(said(SESSION)) == chinese


def test_a_day_is_never_broken_within():
    with override("en"):
        assert times.session_day(SESSION) == "Saturday 13\u00a0February"


@pytest.mark.parametrize(
    ("first", "last", "english", "chinese"),
    [
        (date(2027, 2, 1), date(2027, 2, 1), "1 February", "2 月 1 日"),
        (date(2027, 2, 1), date(2027, 2, 27), "1–27 February", "2 月 1–27 日"),
        (date(2027, 1, 30), date(2027, 2, 27), "30 January – 27 February", "1 月 30 日至 2 月 27 日"),
        (
            date(2026, 12, 30),
            date(2027, 1, 2),
            "30 December 2026 – 2 January 2027",
            "2026 年 12 月 30 日至 2027 年 1 月 2 日",
        ),
    ],
)
def test_a_range_says_nothing_twice(first, last, english, chinese):
    with override("en"):
        assert plain(times.date_range(first, last)) == english
    with override("zh-hans"):
        assert plain(times.date_range(first, last)) == chinese


@pytest.mark.parametrize(
    ("hours", "english", "chinese"),
    [
        (2, "11:30 today", "今天 11:30"),
        (15, "00:30 tomorrow", "明天 00:30"),
        (48, "09:30 on Monday 15 February", "2 月 15 日星期一 09:30"),
    ],
)
def test_a_near_moment_is_said_as_people_say_it(hours, english, chinese):
    now = SESSION.starts_at
    template = Template("{% load times %}{% near_moment moment venue now %}")
    context = Context({"moment": now + timedelta(hours=hours), "venue": BEIJING, "now": now})
    with override("en"):
        assert plain(template.render(context)) == english
    with override("zh-hans"):
        assert plain(template.render(context)) == chinese


def test_a_clock_without_a_name_is_called_by_its_zone():
    assert times.zone_name(BEIJING) == "Beijing time"
    assert times.zone_name(Venue(time_zone="America/New_York")) == "America/New York"
