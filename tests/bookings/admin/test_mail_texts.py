"""Hosts write into mails: what is refused, what the preview shows and leaves out, and a test to oneself alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from bookings.models import BookingStatus, Breaker, MailText, NoticeKind
from bookings.models.mail_texts import HAVE_WORDS_OF_OURS
from tests.bookings.test_emails import example
from tests.factories import NOON, make_booking, make_season, make_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def season(host):
    User.objects.update(email="lin@works.example")
    return make_season()


def write(season: Any, **given: Any) -> MailText:
    values = {"kind": "confirmed", "language": "en", "subject": "Soon, {names}", "words": "Hello {gate}."}
    return MailText.objects.create(**{"season": season, **values, "changed_at": NOON} | given)


def save(host, season: Any, **given: Any) -> list[str]:
    """Press save on a new text; the errors shown."""
    data = {"season": season.pk, "kind": "confirmed", "language": "en", "subject": "", "words": "", **given}
    answer = host.post(reverse("admin:bookings_mailtext_add"), data)
    if answer.status_code == 302:
        return []
    form = answer.context["adminform"].form
    return [error for errors in form.errors.values() for error in errors]


def page(host, name: str, text: MailText) -> str:
    return str(host.get(reverse(f"admin:bookings_mailtext_{name}", args=[text.pk])).content.decode())


def test_a_text_is_saved_with_who_changed_it_and_when(host, season):
    assert save(host, season, subject="Soon", words="Hello {names}", in_use="on") == []
    text = MailText.objects.get()
    assert (text.subject, text.words, text.in_use, text.changed_by) == ("Soon", "Hello {names}", True, "lin")
    assert timezone.now() - text.changed_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({}, ["Write a subject, words, or both."]),
        ({"words": "{party.email}"}, ["“{party.email}” is no placeholder of this mail."]),
        ({"subject": "{names"}, ["A brace stands alone. Write it twice to show one: {{ or }}."]),
        ({"subject": "One\ntwo"}, ["A subject is one line."]),
        ({"subject": "x" * 121}, ["Ensure this value has at most 120 characters (it has 121)."]),
        (
            {"words": "See https://evil.example/"},
            [
                "“https://evil.example/” looks like a link. The mail has its one link already, to the party’s page.",
            ],
        ),
        ({"kind": "offer", "words": "Come!"}, ["This mail has to have {deadline}, or {our_words}."]),
    ],
)
def test_a_broken_text_is_refused_on_saving(host, season, given, errors):
    assert save(host, season, **given) == errors
    assert not MailText.objects.exists()


def test_a_broken_change_is_refused_and_the_text_stays_what_it_is_for(host, season):
    text = write(season)
    address = reverse("admin:bookings_mailtext_change", args=[text.pk])

    refused = host.post(address, {"subject": "{nobody}", "words": ""})
    host.post(address, {"subject": "Later", "words": "", "kind": "offer", "language": "zh-hans"})

    assert "“{nobody}” is no placeholder of this mail." in refused.content.decode()
    text.refresh_from_db()
    assert (text.kind, text.language, text.subject, text.words) == ("confirmed", "en", "Later", "")


def test_a_second_text_for_the_same_mail_is_refused(host, season):
    write(season)
    assert save(host, season, subject="Two") == ["The season has a text for this mail in this language already."]


def test_the_page_lists_the_placeholders_of_the_mail(host, season):
    shown = page(host, "change", write(season, kind="offer"))
    assert "<code>{deadline}</code>" in shown
    assert "<code>{before}</code>" not in shown
    assert "<code>{before}</code>" in host.get(reverse("admin:bookings_mailtext_add")).content.decode()


def test_the_preview_shows_real_data_without_the_partys_link_before_the_text_is_in_use(host, season):
    booking = make_booking(make_session(season=season))
    text = write(season)

    told = page(host, "preview", text)
    framed = page(host, "html", text)

    assert "Soon, Lin Xiaoyun, Wei Jun 2" in told
    assert "Hello Gate 3." in told
    assert f"/visit/{booking.party.code}/…/" in told
    assert "Hello Gate 3." in framed
    assert booking.party.link_token not in told + framed


def test_the_preview_is_in_the_language_of_the_text(host, season):
    make_booking(make_session(season=season))
    text = write(season, language="zh-hans", subject="", words="请到{gate}。")
    assert "请到3 号门。" in page(host, "preview", text)
    assert "打开您的页面" in page(host, "html", text)


@pytest.mark.parametrize("kind", [kind for kind, _name in HAVE_WORDS_OF_OURS])
def test_every_kind_can_be_shown_with_the_newest_that_fits_or_with_invented_data(host, season, kind):
    text = write(season, kind=kind, subject="{tour}: {code}", words="{our_words}")
    assert "How a car is made: 7KQM-3F9T" in page(host, "preview", text)

    statuses = [status for status in BookingStatus if status not in {BookingStatus.ENTERED, BookingStatus.EXCLUDED}]
    bookings = {status: make_booking(make_session(season=season), status) for status in statuses}
    told = page(host, "preview", text)
    assert "7KQM-3F9T" not in told
    assert any(booking.party.code_in_words in told for booking in bookings.values())


def test_the_newest_mail_that_a_party_had_is_shown_before_all_others(host):
    notice = example(NoticeKind.CONFIRMED)
    make_booking(make_session(season=notice.party.season))
    assert notice.party.code_in_words in page(host, "preview", write(notice.party.season))


def send_test(client, text: MailText) -> str:
    address = reverse("admin:bookings_mailtext_test", args=[text.pk])
    return str(client.post(address, follow=True).content.decode())


def test_a_test_goes_to_whoever_presses_without_link_or_calendar(host, season):
    booking = make_booking(make_session(season=season))

    assert "The test is on its way to lin@works.example." in send_test(host, write(season))

    [sent] = mail.outbox
    assert isinstance(sent, EmailMultiAlternatives)
    assert (sent.to, sent.cc, sent.bcc) == (["lin@works.example"], [], [])
    assert sent.subject == "Test: Soon, Lin Xiaoyun, Wei Jun 2"
    raw = sent.message().as_string()
    assert booking.party.link_token not in raw + sent.body + str(sent.alternatives[0][0])
    types = [part.get_content_type() for part in sent.message().walk() if not part.is_multipart()]
    assert types == ["text/plain", "text/html", "image/png"]


def test_an_address_in_the_request_changes_nothing(host, season):
    address = reverse("admin:bookings_mailtext_test", args=[write(season).pk])
    host.post(address + "?to=eve@evil.example", {"to": "eve@evil.example", "email": "eve@evil.example"})
    assert [sent.to for sent in mail.outbox] == [["lin@works.example"]]


def test_ten_tests_an_hour_are_enough(host, season):
    text = write(season)
    told = [send_test(host, text) for _time in range(11)]
    assert len(mail.outbox) == 10
    assert "10 tests in an hour are enough. Try again later." in told[-1]
    assert page(host, "history", text).count("Added test mail “lin@works.example”.") == 10


def test_while_the_server_takes_nothing_a_test_is_the_one_try_of_a_minute_and_may_end_that(host, season):
    text, now = write(season), timezone.now()
    Breaker.objects.create(pk=1, opened_at=now, probe_at=now + timedelta(minutes=1), why="for the test")
    refused, sent = "The mail server takes nothing now." in send_test(host, text), len(mail.outbox)
    Breaker.objects.update(probe_at=now)

    told = send_test(host, text)

    assert (refused, sent, len(mail.outbox)) == (True, 0, 1)
    assert ("The test is on its way" in told, Breaker.objects.get().opened_at) == (True, None)


def test_a_test_needs_an_address_a_press_and_the_right_to_change(host, season, client):
    text = write(season)
    host.get(reverse("admin:bookings_mailtext_test", args=[text.pk]))
    assert mail.outbox == []
    User.objects.update(email="")
    assert "Your account has no email address" in send_test(host, text)

    call_command("make_groups", verbosity=0)
    reader = User.objects.create_user("reader", "reader@works.example", is_staff=True)
    group = Group.objects.create(name="Readers")
    group.permissions.set(Group.objects.get(name="Hosts").permissions.filter(codename__startswith="view_"))
    reader.groups.add(group)
    client.force_login(reader)
    assert client.post(reverse("admin:bookings_mailtext_test", args=[text.pk])).status_code == 403
    assert "Send a test to me" not in page(client, "preview", text)
    assert mail.outbox == []
