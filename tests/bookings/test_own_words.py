"""Words that hosts write into mails: what they may hold, what stands in their place, and what is refused."""

import logging
from typing import Any

import pytest
from django.utils import translation

from bookings.emails import build
from bookings.emails.own_words import (
    BrokenText,
    faults_of_subject,
    faults_of_words,
    fill,
    filled_with_samples,
    placeholders_of,
)
from bookings.models import UNPROVEN_KINDS, MailText, Notice, NoticeKind, Party
from tests.bookings.test_emails import LANGUAGES, example, html_of, sent_as, text_of
from tests.factories import NOON, make_house, make_season

VALUES = {"day": lambda: "Saturday {time}", "time": lambda: "09:30"}
ABUSES = [
    "{day.year}",
    "{day[0]}",
    "{day!r}",
    "{day:>9}",
    "{day.__class__.__mro__}",
    "{0}",
    "{}",
    "{ day }",
    "{DAY}",
    "{party}",
    "{email}",
    "{link}",
    "{{{day.year}}}",
]
DJANGO = ["{{ day.year }}", "{% load i18n %}", "{% include 'portal/visit.html' %}", "{# gone #}"]


def write(notice: Notice, **given: Any) -> MailText:
    values = {"subject": "", "words": "", "in_use": True, "changed_at": NOON, "changed_by": "lin"}
    return MailText.objects.create(
        season=notice.party.season, kind=notice.kind, language=notice.party.language, **values | given
    )


def test_a_name_in_braces_gives_way_to_what_it_stands_for_and_that_is_not_read_again():
    assert fill("On {day} at {time}. {{kept}} }}{{", VALUES) == "On Saturday {time} at 09:30. {kept} }{"


@pytest.mark.parametrize("abuse", ABUSES)
def test_what_is_no_name_of_the_list_stands_for_nothing(abuse: str):
    with pytest.raises(BrokenText):
        fill(abuse, VALUES)


@pytest.mark.parametrize("abuse", [*ABUSES, "{day", "day}", "a { b", "{\nday}"])
@pytest.mark.parametrize("faults_of", [faults_of_subject, faults_of_words])
def test_a_broken_text_is_refused(abuse: str, faults_of: Any):
    assert faults_of(f"Hello {abuse}", NoticeKind.CONFIRMED) != []


@pytest.mark.parametrize("words", DJANGO)
def test_tags_of_templates_are_refused_or_are_letters_like_any_other(words: str):
    try:
        assert fill(words, VALUES) == words.replace("{{", "{").replace("}}", "}")
    except BrokenText:
        assert faults_of_words(words, NoticeKind.CONFIRMED) != []


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/x",
        "HTTP://EVIL",
        "www.evil.example",
        "evil.example",
        "a.b.evil.com/x",
        "lin@works.example",
        "mailto:lin",
        "javascript:alert(1)",
        "详情见works.example",
        "{house}.com",
        "{{evil.example}}",
        "evil.exam{house}",
        "http:{{}}//x",
        "http:{our_words}//x",
        "www{{}}.evil",
        "evil{{}}.example",
        "evil.{names}example",
        "1.2.3.4/x",
        "10.0.0.1:8000",
        "xn--fiqs8s.xn--p1ai/x",
        "例子.中国/x",
        "请看例子.中国",
        "пример.рф",
        "evil。example",
        "evil．example",
        "evil｡example",
        "evil\u2024example",
        "ｅｖｉｌ．ｅｘａｍｐｌｅ",
        "ｈｔｔｐ：／／ｘ",
        "Welcome.中国",
        "Welcome.中国之旅",
        "Welcome．公司",
        "Welcome{{}}.网络",
        "欢迎.网址",
        "Welcome.欢迎.中国",
        "Welcome.欢迎.com",
        "Welcome.みんな",
        "Welcome.例\u200d子",
    ],
)
def test_links_are_refused(link: str):
    assert faults_of_words(f"See {link} for more.", NoticeKind.CONFIRMED) != []
    assert faults_of_subject(f"See {link}", NoticeKind.CONFIRMED) != []


@pytest.mark.parametrize(
    "words",
    [
        "Bring water, e.g. a bottle. Doors open at 9.30 a.m.; lunch costs 12.50.",
        "See you on {day}.\n\nLunch: {{today only}}. 50 % off!",
        "请带好身份证件。{gate}见，09:30 开始。",
        "1.请带好身份证件。2．请准时。一．参观 十二.合影 A.试驾",
        "欢迎来到Northgate。请准时到达……谢谢。",
        "请在{gate}。不要迟到...谢谢。",
        "Version 1.2.3.4 of the car, from 1.2. until 3.4.2027.",
        "Bring the kids \u2764\ufe0f, it is 5 °C inside.",
        "Families \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f469\U0001f3fd\u200d\U0001f527 are welcome.",
        "Love \u2764\ufe0f\u200d\U0001f525 and cars \U0001f697.",
        "Welcome.欢迎来到{house}！See you.再见",
        "",
    ],
)
def test_plain_words_are_taken(words: str):
    assert faults_of_words(words, NoticeKind.CONFIRMED) == []


@pytest.mark.parametrize(
    "words",
    [
        "a\u200db",
        "\U0001f468\u200d",
        "\u200d\U0001f468",
        "\U0001f468\u200d\u200d\U0001f469",
        "\U0001f468\u200d{names}",
        "\U0001f468\u200da",
        "evil\u200d\U0001f468.example",
        "\U0001f468\u200b\U0001f469",
        "©\u200d®",
    ],
)
def test_what_joins_signs_is_taken_between_two_pictures_and_nowhere_else(words: str):
    assert faults_of_words(words, NoticeKind.CONFIRMED) != []


@pytest.mark.parametrize(
    "subject",
    [
        "One\nBcc: all@x",
        "One\rtwo",
        "One\u2028two",
        "One\x0btwo",
        "One\x00two",
        "a\u202eb",
        "ev\u200bil",
        "a\u00adb",
        "\ufeffa",
    ],
)
def test_a_subject_is_one_line_of_signs_that_can_be_seen(subject: str):
    assert faults_of_subject(subject, NoticeKind.CONFIRMED) != []


@pytest.mark.parametrize("name", ["our_words", "standing", "to_do"])
def test_whole_sentences_have_no_room_in_a_subject(name: str):
    assert faults_of_subject(f"News: {{{name}}}", NoticeKind.LINK) != []


@pytest.mark.parametrize(
    ("kind", "words", "faults"),
    [
        (NoticeKind.OFFER, "Come!", ["This mail has to have {deadline}, or {our_words}."]),
        (NoticeKind.OFFER, "Come by {deadline}!", []),
        (NoticeKind.OFFER, "{our_words}\n\nCome!", []),
        (NoticeKind.PROVE, "Come!", ["This mail has to have {deadline}, or {our_words}."]),
        (NoticeKind.LINK, "{standing}", ["This mail has to have {to_do}, or {our_words}."]),
        (NoticeKind.CALLED_OFF, "Sorry.", ["This mail has to have {reason}, or {our_words}."]),
        (NoticeKind.CHANGED, "Sorry.", ["This mail has to have {our_words}: it tells of several kinds of changes."]),
        (NoticeKind.CONFIRMED, "Until {deadline}", ["“{deadline}” is no placeholder of this mail."]),
        (NoticeKind.IN_LINE, "On {day} {our_words}", ["“{day}” is no placeholder of this mail."]),
    ],
)
def test_what_a_mail_has_to_say_may_not_be_left_out(kind: NoticeKind, words: str, faults: list[str]):
    assert faults_of_words(words, kind) == faults


@pytest.mark.django_db
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", NoticeKind)
def test_every_name_of_every_kind_has_a_value_in_the_mail_and_a_sample(kind: NoticeKind, language: str):
    make_house()
    notice = example(kind, language=language)
    names = placeholders_of(kind)
    write(notice, words="\n\n".join(f"<{name}>{{{name}}}" for name in names))

    text = text_of(sent_as(notice))

    optional = {"reason", "to_do", "standing"}  # nothing where there is none
    empty = [name for name in names if f"<{name}>\n" in text and name not in optional]
    assert empty == []
    assert all(f"<{name}>" in text for name in names)
    with translation.override(language):
        assert all(filled_with_samples(f"{{{name}}}", kind) for name in names)


@pytest.mark.django_db
def test_hosts_change_subject_and_words_and_nothing_else_of_a_mail():
    make_house()
    notice = example(NoticeKind.CONFIRMED)
    usual = sent_as(notice)
    write(
        notice, subject="See you, {names}", words="Lunch <b>waits</b> at {gate}.\n\n{our_words}\nBring a cup & spoon."
    )

    changed = sent_as(notice)

    our_words = "Your 2 places are confirmed."
    assert changed["Subject"] == "See you, Lin Xiaoyun, Wei Jun 2"
    assert text_of(changed) == text_of(usual).replace(
        our_words, f"Lunch <b>waits</b> at Gate 3.\n\n{our_words}"
    ).replace("from this mail or your page.", "from this mail or your page.\nBring a cup & spoon.")
    assert "Lunch &lt;b&gt;waits&lt;/b&gt; at Gate 3." in html_of(changed)
    assert "<br>Bring a cup &amp; spoon.</p>" in html_of(changed)
    assert changed["Message-ID"] == usual["Message-ID"]


@pytest.mark.django_db
def test_a_subject_alone_leaves_the_words_and_words_alone_leave_the_subject():
    confirmed, offer = example(NoticeKind.CONFIRMED), example(NoticeKind.OFFER)
    usual, usual_offer = text_of(sent_as(confirmed)), sent_as(offer)["Subject"]
    write(confirmed, subject="Come")
    write(offer, words="By {deadline}.")

    assert (sent_as(confirmed)["Subject"], text_of(sent_as(confirmed))) == ("Come", usual)
    assert sent_as(offer)["Subject"] == usual_offer
    assert "\n\nBy 22:00 today.\n\n" in text_of(sent_as(offer))


@pytest.mark.django_db
def test_a_text_holds_for_its_season_kind_and_language_once_it_is_in_use():
    notice = example(NoticeKind.CONFIRMED)
    usual = sent_as(notice)["Subject"]
    text = write(notice, subject="Mine")

    def subject(**changed: Any) -> str:
        MailText.objects.filter(pk=text.pk).update(**changed)
        told = str(sent_as(notice)["Subject"])
        MailText.objects.filter(pk=text.pk).update(
            season=notice.party.season, kind=notice.kind, language="en", in_use=True
        )
        return told

    assert subject() == "Mine"
    assert subject(in_use=False) == usual
    assert subject(language="zh-hans") == usual
    assert subject(kind="reminder") == usual
    assert subject(season=make_season()) == usual


@pytest.mark.django_db
def test_a_text_that_can_no_longer_be_filled_gives_way_to_ours_and_is_logged(caplog: pytest.LogCaptureFixture):
    notice = example(NoticeKind.CONFIRMED)
    usual = sent_as(notice)
    text = write(notice, subject="Fine", words="On {the_day_of_old}")

    with caplog.at_level(logging.ERROR):
        sent = sent_as(notice)

    assert (sent["Subject"], text_of(sent)) == (usual["Subject"], text_of(usual))
    assert caplog.messages == [f"Mail text {text.pk}: nothing stands for {{the_day_of_old}}; the usual words are sent"]


@pytest.mark.django_db
def test_what_a_visitor_typed_is_put_in_as_it_is_and_never_read_as_a_name():
    notice = example(NoticeKind.CONFIRMED)
    Party.objects.filter(pk=notice.party.pk).update(lead_name="{{code}} {code}")
    write(notice, subject="{names}", words="Hello {names}")
    notice = Notice.objects.get()

    assert build(notice, now=NOON).subject == "code code, Wei Jun 2"


@pytest.mark.django_db
@pytest.mark.parametrize("kind", sorted(UNPROVEN_KINDS))
def test_to_a_mailbox_nobody_has_proven_no_text_of_a_host_brings_more_than_the_leads_name(kind: NoticeKind):
    notice = example(kind, proven=False, companions=["canary 1"], access_needs="canary 2", phone="canary 3")
    write(notice, words="\n\n".join(f"{{{name}}}" for name in placeholders_of(kind)))

    sent = sent_as(notice)

    assert "Lin Xiaoyun" in text_of(sent)
    assert "canary" not in text_of(sent) + html_of(sent) + str(sent["Subject"])
