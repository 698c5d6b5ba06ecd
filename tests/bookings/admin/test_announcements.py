import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from i18nfield.strings import LazyI18nString

from bookings.domain.announcements import owe_announcements
from bookings.models import Announcement, Booking, Notice, Season
from tests.acts import owed
from tests.factories import NOON, make_announcement, make_booking, make_season, make_session
from tests.portal.pages import words

pytestmark = pytest.mark.django_db

LISTED = reverse("admin:bookings_announcement_changelist")
ADDED = reverse("admin:bookings_announcement_add")


@pytest.fixture
def host(client: Client) -> Client:
    """The browser of somebody with the role of a host, no more."""
    call_command("make_groups", verbosity=0)
    user = User.objects.create_user("lin", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name="Hosts"))
    client.force_login(user)
    return client


def page_of(announcement: Announcement) -> str:
    return reverse("admin:bookings_announcement_change", args=[announcement.pk])


def told(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_a_host_writes_it_in_both_languages_sees_to_how_many_it_goes_and_sends_it(host):
    session, asked_at = make_session(), timezone.now()
    first = make_booking(session, asked_at=asked_at)
    second = make_booking(session, asked_at=asked_at, language="zh-hans")
    written = {
        "subject_0": "No car park",
        "subject_1": "停车场关闭",
        "words_0": "Take the bus.",
        "words_1": "请坐公交。",
    }

    host.post(ADDED, {"season": session.season_id, **written})
    announcement = Announcement.objects.get()
    assert [announcement.subject.localize(code) for code in ("en", "zh-hans")] == ["No car park", "停车场关闭"]
    assert "Goes to: 2 parties" in words(host.get(page_of(announcement)))

    press = {"action": "send", "_selected_action": announcement.pk}
    asked = host.post(LISTED, press)
    assert "No car park, 2 parties" in words(asked)
    assert (Notice.objects.count(), Announcement.objects.get().posted_at) == (0, None)

    assert told(host.post(LISTED, press | {"confirmed": "1"}, follow=True)) == ["On its way to 2 parties."]
    assert owe_announcements(now=timezone.now()) == 2
    assert owed() == [("announcement", first.party_id), ("announcement", second.party_id)]
    assert Announcement.objects.get().posted_by == "host:lin"
    again = host.post(LISTED, press | {"confirmed": "1"}, follow=True)
    assert told(again) == ["No car park, 2 parties: This announcement has been sent already."]
    assert Notice.objects.count() == 2


def test_what_was_sent_can_be_read_and_neither_changed_nor_deleted(host):
    sent = make_announcement(posted_at=NOON, posted_by="host:lin")
    page = host.get(page_of(sent))
    assert page.status_code == 200
    assert re.findall(r'<(?:textarea|input type="text")', page.content.decode()) == []
    delete = reverse("admin:bookings_announcement_delete", args=[sent.pk])
    assert [host.post(page_of(sent), {"season": 1}).status_code, host.post(delete, {"post": "yes"}).status_code] == [
        403,
        403,
    ]
    host.post(LISTED, {"action": "delete_selected", "_selected_action": sent.pk, "post": "yes"})
    assert Announcement.objects.count() == 1


def test_what_was_sent_names_its_sender_and_offers_no_second_sending(host):
    draft, sent = make_announcement(), make_announcement(posted_at=NOON, posted_by="host:lin")

    told = [words(host.get(page_of(announcement))) for announcement in (draft, sent)]

    assert ["Send to the parties of the season" in page for page in told] == [True, False]
    assert "Sent by: lin" in told[1]


def preview_of(announcement: Announcement, *code: str) -> str:
    name = "html" if code else "preview"
    return reverse(f"admin:bookings_announcement_{name}", args=[announcement.pk, *code])


def test_a_host_reads_it_in_each_language_before_it_is_sent(host):
    announcement = make_announcement()
    party = make_booking(make_session(season=announcement.season)).party

    page = host.get(preview_of(announcement))
    frames = [host.get(preview_of(announcement, code)).content.decode() for code in ("en", "zh-hans")]

    shown = page.content.decode()
    assert ["The car park is closed\n\nCome by train." in shown, "停车场关闭\n\n请乘地铁前来。" in shown] == [
        True,
        True,
    ]
    assert ["Come by train." in frames[0], "请乘地铁前来。" in frames[1]] == [True, True]
    assert party.code_in_words in shown
    assert [secret in shown + frames[0] for secret in (party.link_token, party.stop_token)] == [False, False]
    assert (Notice.objects.count(), Announcement.objects.get().posted_at) == (0, None)


def test_the_preview_says_which_language_is_missing_and_when_nobody_would_get_it(host):
    announcement = make_announcement(words=LazyI18nString({"en": "Come by train.", "zh-hans": " "}))
    assert "No party of this season can be sent announcements now." in words(host.get(preview_of(announcement)))

    make_booking(make_session(season=announcement.season))

    assert "中文 Subject or words are missing in this language." in words(host.get(preview_of(announcement)))
    missing = [host.get(preview_of(announcement, code)).status_code for code in ("zh-hans", "de")]
    assert (missing, host.get(preview_of(Announcement(pk=404))).status_code) == ([404, 404], 404)


def test_who_may_not_read_mails_does_not_see_the_preview(client):
    announcement = make_announcement()
    clerk = User.objects.create_user("clerk", password="x", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_announcement"))
    client.force_login(clerk)

    assert [client.get(preview_of(announcement, *code)).status_code for code in ([], ["en"])] == [403, 403]


def test_what_was_not_sent_may_be_thrown_away(host):
    draft = make_announcement()
    host.post(reverse("admin:bookings_announcement_delete", args=[draft.pk]), {"post": "yes"})
    assert not Announcement.objects.exists()


@pytest.mark.parametrize("subject", ["", "x" * 121])
def test_a_subject_is_one_short_line(host, subject):
    season = make_season()
    written = {"subject_0": subject, "subject_1": "", "words_0": "Take the bus.", "words_1": ""}
    assert host.post(ADDED, {"season": season.pk, **written}).status_code == 200
    assert not Announcement.objects.exists()


def overview(host: Client, season: Season) -> str:
    return words(host.get(reverse("admin:bookings_season_overview", args=[season.pk])))


def test_offers_that_nobody_has_heard_of_stand_on_the_overview(host):
    session = make_session()
    offer = make_booking(session, "offered", phone="+86 10 5550 0199")
    assert "most likely not heard" not in overview(host, session.season)

    offer.party.mail_failed_at = NOON
    offer.party.save()
    page = overview(host, session.season)
    assert "1 offer stands, and its party has most likely not heard of it." in page
    assert f"{offer.party.code_in_words} · +86 10 5550 0199 · 2 places on Sat 13 Feb, until" in page

    Booking.objects.update(status="confirmed", offer_expires_at=None)
    assert "most likely not heard" not in overview(host, session.season)
