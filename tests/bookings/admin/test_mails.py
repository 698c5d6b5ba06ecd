"""The mails of a season on one page."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from bookings import outbox
from bookings.admin.mails import KindLine, ReminderLine, season_mails
from bookings.models import Lane, Notice, NoticeKind, NoticeStatus, Season
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_party, make_season, make_session
from tests.portal.pages import words

pytestmark = pytest.mark.django_db
SHANGHAI = ZoneInfo("Asia/Shanghai")
MINUTE = timedelta(minutes=1)


def owe(season: Season, kind: NoticeKind = NoticeKind.LINK, **values: Any) -> None:
    party = make_party(season=season)
    outbox.post(kind, party, key=str(party.pk), now=NOON)
    Notice.objects.filter(party=party).update(**values)


def owe_one_of_each(season: Season) -> None:
    owe(season, NoticeKind.REMINDER, next_attempt_at=NOON + DAY)
    owe(season, NoticeKind.REMINDER, next_attempt_at=NOON + HOUR)
    owe(season, next_attempt_at=NOON - 3 * MINUTE)
    owe(season, next_attempt_at=NOON + MINUTE, last_error="OSError")
    owe(season, status=NoticeStatus.SENDING, lease_until=NOON + MINUTE)
    owe(season, status=NoticeStatus.SENT, sent_at=NOON)
    owe(season, status=NoticeStatus.BOUNCED)
    owe(season, status=NoticeStatus.DEAD)
    owe(season, NoticeKind.REMINDER, status=NoticeStatus.UNKNOWN)
    owe(season, status=NoticeStatus.VOID)
    owe(season, status=NoticeStatus.EXPIRED)


def test_every_mail_of_the_season_is_counted_once():
    season = make_season()
    owe_one_of_each(season)
    owe(make_season(), status=NoticeStatus.SENT, sent_at=NOON)

    told = season_mails(season, now=NOON, zone=SHANGHAI)

    assert (told.planned, told.waiting, told.sent, told.failed, told.unknown, told.not_sent) == (2, 3, 1, 2, 1, 2)
    assert list(told.kinds) == [
        KindLine("your link again", planned=0, next_at=None, waiting=3, failed=2, unknown=0),
        KindLine("reminder", planned=2, next_at=NOON + HOUR, waiting=0, failed=0, unknown=1),
    ]
    assert {line.lane: (line.since, line.words, line.is_late) for line in told.lanes if line.since} == {
        Lane.OFFER: (NOON - 3 * MINUTE, "2\xa0minutes", True)
    }


def test_the_chart_has_the_last_24_hours_this_one_last():
    season = make_season()
    for at in (NOON + 5 * MINUTE, NOON - 10 * MINUTE, NOON - 20 * MINUTE, NOON - 23 * HOUR, NOON - 23 * HOUR - MINUTE):
        owe(season, status=NoticeStatus.SENT, sent_at=at)

    bars = season_mails(season, now=NOON + 10 * MINUTE, zone=SHANGHAI).bars

    drawn = [(f"{bar.at:%d %H:%M}", bar.mails, bar.height) for bar in bars if bar.mails]
    assert drawn == [("17 13:00", 1, 48), ("18 11:00", 2, 96), ("18 12:00", 1, 48)]
    assert len(bars) == 24
    assert [bar.words for bar in bars if bar.words] == ["21:00", "03:00", "09:00", "15:00"]


def test_a_season_without_a_mail_has_an_empty_page(host):
    session = make_session()
    page = host.get(reverse("admin:bookings_season_mails", args=[session.season_id])).content.decode()
    assert "No mail was handed over in the last 24 hours." in page
    assert "Nothing is planned, waits or has failed." in page
    assert "<svg viewBox" not in page


def test_the_page_asks_the_same_questions_however_many_mails_there_are(host, django_assert_max_num_queries: Any):
    def queries(season: Season) -> int:
        with django_assert_max_num_queries(60) as asked:
            host.get(reverse("admin:bookings_season_mails", args=[season.pk]))
        return len(asked)

    few, many = make_session().season, make_session().season
    owe_one_of_each(few)
    for _time in range(3):
        owe_one_of_each(many)
    queries(few)

    assert queries(few) == queries(many)


def test_what_failed_is_one_press_away(host):
    session = make_session()
    owe(session.season, status=NoticeStatus.BOUNCED)
    owe(session.season, status=NoticeStatus.SENT, sent_at=NOON)
    page = host.get(reverse("admin:bookings_season_mails", args=[session.season_id])).content.decode()

    listed = (
        reverse("admin:bookings_notice_changelist")
        + f"?status__in=bounced,dead&party__season__id__exact={session.season_id}"
    )

    assert listed.replace("&", "&amp;") in page
    shown = host.get(listed)
    assert (shown.status_code, shown.content.decode().count("refused for this address</td>")) == (200, 1)


def test_the_reminders_to_come_are_told_long_before_they_are_written():
    season = make_season(reminders=[{"days": 7}, {"days": 1, "at": time(18)}, {"hours": 2}])
    session, later = make_session(season=season), make_session(season=season, starts_at=START + HOUR)
    make_session(season=season, starts_at=NOON - DAY)
    make_session(season=season, called_off_at=NOON)
    make_session()
    make_booking(session)
    make_booking(session)
    make_booking(session, "offered")
    evening = datetime(2027, 2, 12, 18, tzinfo=SHANGHAI)
    # Planned when the first reminder of the first session was due already.
    season.reminder_plans.filter(days=7).update(since=START - 7 * DAY)

    assert list(season_mails(season, now=NOON, zone=SHANGHAI).reminders) == [
        ReminderLine(START - 7 * DAY + HOUR, later, 0),
        ReminderLine(evening, session, 2),
        ReminderLine(evening, later, 0),
        ReminderLine(START - 2 * HOUR, session, 2),
        ReminderLine(START - HOUR, later, 0),
    ]
    assert list(season_mails(season, now=START - 2 * HOUR, zone=SHANGHAI).reminders) == [
        ReminderLine(START - HOUR, later, 0)
    ]


def test_the_page_shows_the_next_reminders_and_how_many_follow(host):
    def page(season: Season) -> str:
        return words(host.get(reverse("admin:bookings_season_mails", args=[season.pk])))

    start = timezone.now() + 30 * DAY
    season = make_season(reminders=[{"hours": n} for n in range(1, 13)], opens_at=NOON - 999 * DAY)
    make_booking(make_session(season=season, starts_at=start))

    assert "And 2 more after that." in page(season)
    assert f"{timezone.localtime(start - 12 * HOUR, SHANGHAI):%Y-%m-%d %H:%M}" in page(season)
    assert "No reminder is to come. Plan one" in page(make_session(season=make_season(reminders=[])).season)
