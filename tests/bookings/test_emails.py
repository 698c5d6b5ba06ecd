import re
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from itertools import count
from typing import Any, Literal

import pytest
from django.conf import settings
from pytest_django import Settings

from bookings.emails import build, party_link
from bookings.emails.links import stop_link
from bookings.emails.names import neutral_name
from bookings.models import LANES, Booking, BookingEvent, BookingStatus, Notice, NoticeKind, Party
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    both,
    make_announcement,
    make_booking,
    make_house,
    make_offered,
    make_party,
    make_season,
    make_session,
    make_sign_up,
    make_venue,
    make_waiting,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def our_addresses(settings: Settings) -> None:
    settings.SITE_URL = "https://visits.works.example"
    settings.MAIL_FROM = "visits@works.example"


LANGUAGES = [code for code, _name in settings.LANGUAGES]
_numbers = count(1)


def make_notice(
    kind: NoticeKind, booking: Booking | None = None, *, party: Party | None = None, **facts: Any
) -> Notice:
    owed_to = party or (booking and booking.party)
    assert owed_to
    return Notice.objects.create(
        kind=kind,
        party=owed_to,
        booking=booking,
        dedupe_key=f"{kind}:{next(_numbers)}",
        lane=LANES[kind],
        facts=facts,
        created_at=NOON,
        next_attempt_at=NOON,
    )


def example(kind: NoticeKind, **given: Any) -> Notice:
    """A notice of each kind about a booking as it then is."""
    session = make_session(call_off_reason=both("The paint shop is being rebuilt.", "涂装车间正在改造。"))
    match kind:
        case NoticeKind.PROVE:
            return make_notice(kind, make_sign_up(session, **given))
        case NoticeKind.OFFER:
            return make_notice(kind, make_offered(session, **given))
        case NoticeKind.IN_LINE | NoticeKind.ALREADY_IN | NoticeKind.LINK:
            return make_notice(kind, party=make_waiting(session, **given).party)
        case NoticeKind.OFFER_LAPSED | NoticeKind.RECALLED:
            return make_notice(kind, make_waiting(session, **given))
        case NoticeKind.CHANGED | NoticeKind.SWAPPED:
            return make_notice(kind, make_booking(session, **given), starts_at=(START - DAY).isoformat())
        case NoticeKind.ANNOUNCEMENT:
            announcement = make_announcement(session.season)
            return make_notice(kind, party=make_booking(session, **given).party, announcement=announcement.pk)
    status = {
        NoticeKind.CANCELLED: BookingStatus.CANCELLED,
        NoticeKind.CALLED_OFF: BookingStatus.CALLED_OFF,
        NoticeKind.LINE_CLOSED: BookingStatus.CLOSED,
    }.get(kind, BookingStatus.CONFIRMED)
    return make_notice(kind, make_booking(session, status, **given))


def sent_as(notice: Notice, **later: float) -> EmailMessage:
    """The mail as a mail program reads it."""
    raw = build(notice, now=NOON + timedelta(**later)).message().as_bytes()
    return message_from_bytes(raw, policy=policy.default)


def text_of(message: EmailMessage) -> str:
    return body_of(message, "plain")


def html_of(message: EmailMessage) -> str:
    return body_of(message, "html")


def body_of(message: EmailMessage, kind: Literal["plain", "html"]) -> str:
    body = message.get_body((kind,))
    assert body
    return str(body.get_content())


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = 0
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.hidden += tag in {"style", "title"}

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in {"style", "title"}

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)


def words_of_html(html: str) -> str:
    parser = _Words()
    parser.feed(html)
    return " ".join(" ".join(parser.words).split())


def unspaced(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_is_a_whole_mail_in_both_languages(kind: NoticeKind, language: str) -> None:
    house = make_house()
    notice = example(kind, language=language)

    message = sent_as(notice)

    link = party_link(notice.party)
    assert f"/{language}/visit/{notice.party.code}/{notice.party.link_token}/" in link
    assert link in text_of(message)
    assert f'href="{link}"' in html_of(message)
    assert notice.party.code_in_words in text_of(message)
    assert len(message.as_bytes()) < 60_000
    assert {name: message[name] for name in ("From", "To", "Auto-Submitted", "Content-Language", "Message-ID")} == {
        "From": f"{house.name.localize(language)} <{settings.MAIL_FROM}>",
        "To": notice.party.email,
        "Auto-Submitted": "auto-generated",
        "Content-Language": {"en": "en", "zh-hans": "zh-Hans"}[language],
        "Message-ID": f"<notice-{notice.pk}.{notice.party.code}@visits.works.example>",
    }
    assert "{" not in text_of(message) + message["Subject"]
    assert "None" not in text_of(message)


@pytest.mark.parametrize("kind", NoticeKind)
def test_text_and_html_say_the_same(kind: NoticeKind) -> None:
    make_house()
    message = sent_as(example(kind))

    in_html = unspaced(words_of_html(html_of(message)))

    lines = [line for line in text_of(message).splitlines() if line and "https://" not in line]
    # In the table of facts label and value are cells of their own.
    missing = [line for line in lines if unspaced(line.replace(": ", "", 1) if ": " in line else line) not in in_html]
    missing = [line for line in missing if unspaced(line) not in in_html]
    assert missing == []


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_mail_has_one_link_to_act_and_one_to_the_other_language(kind: NoticeKind) -> None:
    notice = example(kind)

    addresses = re.findall(r'(?:href|src)="([^"]+)"', html_of(sent_as(notice)))

    pictures = ["cid:code"] if kind in {NoticeKind.CONFIRMED, NoticeKind.SWAPPED} else []
    stops = [stop_link(notice.party)] if kind == NoticeKind.ANNOUNCEMENT else []
    assert addresses == [party_link(notice.party), *pictures, party_link(notice.party, language="zh-hans"), *stops]


def test_an_offer_of_fewer_places_than_people_says_so_and_what_waiting_costs() -> None:
    fewer = example(NoticeKind.OFFER, size=3, smallest_size=1, places=2, offer_expires_at=NOON + 2 * HOUR)
    one = example(NoticeKind.OFFER, size=3, smallest_size=1, places=1, offer_expires_at=NOON + 2 * HOUR)
    told, told_of_one = text_of(sent_as(fewer)), text_of(sent_as(one))
    assert "2 places are yours until 22:00 today." in told
    assert (
        "2 places became free, and you are 3. The button opens your page; there you choose who comes and take them,"
        " wait for all of you, or say “not this date”. Waiting for all of you costs nothing: you keep your number."
    ) in told
    assert "(3 people)" in told, "as many as there are names"
    assert "1 place became free, and you are 3." in told_of_one
    assert "you take it for the lead alone" in told_of_one
    whole = text_of(sent_as(example(NoticeKind.OFFER, size=3)))
    assert ("Places became free and it is your turn." in whole, "you are 3" in whole) == (True, False)


def test_an_offer_says_until_when_first() -> None:
    ends = NOON + timedelta(hours=2, minutes=40, seconds=50)
    message = sent_as(example(NoticeKind.OFFER, offer_expires_at=ends))

    assert message["Subject"] == "Offered: 2 places, Sat 13 Feb, answer by 22:40"
    assert text_of(message).splitlines()[0] == "2 places are yours until 22:40 today."
    assert "(Beijing time, 2\xa0hours, 40\xa0minutes from now)" in text_of(message)
    assert "When: Saturday 13 February 2027, 09:30 – 11:30, Beijing time" in text_of(message)


def test_a_deadline_on_another_day_names_the_day() -> None:
    tomorrow = sent_as(example(NoticeKind.OFFER, offer_expires_at=NOON + DAY))
    later = sent_as(example(NoticeKind.OFFER, offer_expires_at=NOON + 3 * DAY))

    assert text_of(tomorrow).startswith("2 places are yours until 20:00 on Tuesday 19 January.")
    assert text_of(later).startswith("2 places are yours until 20:00 on Thursday 21 January.")


def test_the_proof_names_no_later_deadline_than_the_one_enforced() -> None:
    whole = sent_as(example(NoticeKind.PROVE), seconds=45)
    short = sent_as(example(NoticeKind.PROVE, offer_expires_at=NOON + timedelta(minutes=10)))

    assert "They are kept until 20:30 today." in text_of(whole)
    assert whole["Subject"] == "Kept for you: 2 places, Sat 13 Feb, press by 20:30"
    assert "(Beijing time, 29\xa0minutes from now)" in text_of(whole)
    assert "They are kept until 20:10 today." in text_of(short)


def test_one_place_is_not_two_places() -> None:
    message = sent_as(example(NoticeKind.OFFER, size=1))

    assert message["Subject"].startswith("Offered: 1 place, ")
    assert text_of(message).startswith("1 place is yours until ")


def test_a_waiting_party_reads_all_its_lines_and_who_is_ahead() -> None:
    session = make_session()
    other = make_session(season=session.season, starts_at=START + DAY)
    make_waiting(session), make_waiting(session), make_waiting(session, proven=False)
    booking = make_waiting(session)
    make_waiting(other, party=booking.party)

    text = text_of(sent_as(make_notice(NoticeKind.IN_LINE, party=booking.party)))

    assert text.startswith("You are in line for 2 sessions.\nThere is nothing you need to do now.\n")
    assert "– Saturday 13 February 2027, 09:30: in line with number 4. 2 parties are ahead of you." in text
    assert "– Sunday 14 February 2027, 09:30: in line with number 1. Nobody is ahead of you." in text


def test_an_unproven_party_in_line_is_asked_for_one_press() -> None:
    text = text_of(sent_as(example(NoticeKind.IN_LINE, proven=False, prove_by=NOON + 3 * DAY)))

    assert text.startswith("One press and you are in line.\nYour number is kept until 20:00 on Tuesday 19 January.\n")
    assert "number 1 is kept for you" in text
    assert "If that was not you, do nothing" in text


def test_already_in_tells_how_the_party_stands() -> None:
    waiting, confirmed = example(NoticeKind.ALREADY_IN), make_booking()
    sign_up = make_sign_up()

    assert "in line with number 1." in text_of(sent_as(waiting))
    assert "2 places confirmed." in text_of(sent_as(make_notice(NoticeKind.ALREADY_IN, party=confirmed.party)))
    offered = text_of(sent_as(make_notice(NoticeKind.ALREADY_IN, party=sign_up.party)))
    assert "Answer on your page by 20:30 today (Beijing time" in offered


def test_a_lapse_tells_the_new_number_or_the_end() -> None:
    session = make_session()
    first = make_waiting(session, queue_number=10)
    last = make_booking(session, BookingStatus.LAPSED)

    moved = text_of(sent_as(make_notice(NoticeKind.OFFER_LAPSED, first)))
    ended = text_of(sent_as(make_notice(NoticeKind.OFFER_LAPSED, last)))

    assert moved.startswith(
        "The 2 places went to the next party.\nYou moved to the end of the waitlist, as number 10.\n"
    )
    assert ended.startswith("The 2 places went to the next party.\nYour waiting has ended.\n")


def test_a_moved_session_is_told_with_old_and_new_time() -> None:
    message = sent_as(example(NoticeKind.CHANGED))

    assert message["Subject"] == "Moved: now Sat 13 Feb, 09:30"
    assert text_of(message).startswith("The session now starts on Saturday 13 February at 09:30.")
    assert "It was planned for Friday 12 February 2027, 09:30 (Beijing time)." in text_of(message)


def test_fewer_people_and_other_names_are_told() -> None:
    fewer = text_of(sent_as(make_notice(NoticeKind.CHANGED, make_booking(size=2), size=2)))
    names = text_of(sent_as(make_notice(NoticeKind.CHANGED, make_booking(size=2), names=True)))

    assert fewer.startswith("You now come as 2 people.")
    assert names.startswith("The names of your party are changed.")


def test_called_off_gives_the_reason_of_the_host() -> None:
    text = text_of(sent_as(example(NoticeKind.CALLED_OFF)))

    assert text.startswith("The session on Saturday 13 February, 09:30, will not take place.")
    assert "The reason: The paint shop is being rebuilt." in text


def test_called_off_tells_of_first_call_until_a_minute_that_is_not_later_than_its_end() -> None:
    ends = NOON + 3 * DAY + timedelta(minutes=7, seconds=59)
    party = make_party(first_call_until=ends)
    notice = example(NoticeKind.CALLED_OFF, party=party)

    text = text_of(sent_as(notice))
    late = text_of(sent_as(notice, days=3, minutes=8))

    assert "You have first call on another session until 20:07 on Thursday 21 January." in text
    assert "until 20:07 on Thursday 21 January (Beijing time, 3\xa0days from now) you may take free places" in text
    assert f"Choose another session: {party_link(party)}" in text
    assert "first call" not in late.lower()
    assert "You may ask again for any other session that is open" in late


@pytest.mark.parametrize(
    ("was", "words"),
    [
        (BookingStatus.CONFIRMED, "Your places there are gone with it;"),
        (BookingStatus.CHECKED_IN, "Your places there are gone with it;"),
        (BookingStatus.OFFERED, "The places that were offered to you there are gone with it."),
        (BookingStatus.WAITING, "Your place in its line is gone with it."),
    ],
)
def test_called_off_tells_what_is_gone_with_the_session(was: BookingStatus, words: str) -> None:
    notice = example(NoticeKind.CALLED_OFF)
    BookingEvent.objects.filter(booking=notice.booking).update(from_status=was)

    assert words in text_of(sent_as(notice))


def test_places_taken_back_by_a_host_are_not_thanked_for() -> None:
    booking = make_booking(status=BookingStatus.CANCELLED)
    BookingEvent.objects.filter(booking=booking).update(who="host:mei", why="Entered twice.")

    text = text_of(sent_as(make_notice(NoticeKind.CANCELLED, booking)))

    assert text.startswith("Your host took back your 2 places.")
    assert "The reason: Entered twice." in text
    assert "Thank you" not in text


def test_places_given_up_for_silence_are_told_with_the_reason() -> None:
    booking = make_booking(status=BookingStatus.CANCELLED)
    BookingEvent.objects.filter(booking=booking).update(who="clock", why="did not answer")

    text = text_of(sent_as(make_notice(NoticeKind.CANCELLED, booking)))

    assert text.startswith("Your 2 places were given up.")
    assert "We asked you twice by mail whether you are still coming and heard nothing." in text
    assert "Thank you" not in text


MORE_FOLLOWS, MAY_GO, MAY_CALL = (
    "One more mail follows if you do not answer.",
    "If we hear nothing within a day, your places may go to others.",
    "If we hear nothing, somebody from the house may call you.",
)


@pytest.mark.parametrize(
    ("facts", "releases", "told"),
    [
        ({}, True, {MORE_FOLLOWS}),
        ({"again": True}, True, {MAY_GO}),
        ({"again": True}, False, {MAY_CALL}),
    ],
)
def test_the_question_who_is_still_coming_says_what_follows_from_silence(
    facts: dict[str, Any], releases: bool, told: set[str]
) -> None:
    season = make_season(asks_again_days=14, releases_silent=releases)
    booking = make_booking(make_session(season=season))

    message = sent_as(make_notice(NoticeKind.STILL_COMING, booking, **facts))

    text = text_of(message)
    assert text.startswith("Are you still coming on Saturday 13 February at 09:30?")
    assert f"Answer on your page: {party_link(booking.party)}" in text
    assert {words for words in (MORE_FOLLOWS, MAY_GO, MAY_CALL) if words in text} == told
    assert message["Subject"].startswith("Still coming?")


def test_a_reminder_counts_the_days_at_the_venue() -> None:
    notice = example(NoticeKind.REMINDER)

    def first_line(now: Any) -> str:
        return build(notice, now=now).body.splitlines()[0]

    # 00:30 on the day before and on the day, at the venue.
    assert first_line(START - DAY - 9 * HOUR) == "See you tomorrow at 09:30."
    assert first_line(START - 9 * HOUR) == "See you today at 09:30."
    assert first_line(START - DAY - 10 * HOUR) == "See you on Saturday 13 February at 09:30."


ONCE_MORE = "Something changed? On your page you come with fewer people or cancel."
REMINDED = {
    "a week": (7 * DAY, 2, "2 places, Sat 13 Feb, be there by 09:15", "In 7 days", ONCE_MORE),
    "the evening before": (15.5 * HOUR, 2, "2 places, tomorrow, be there by 09:15", "Tomorrow", ONCE_MORE),
    "two hours": (2 * HOUR, 2, "2 places, today, be there by 09:15", "Today", "Fewer of you are coming?"),
    "two hours, alone": (2 * HOUR, 1, "1 place, today, be there by 09:15", "Today", "Can’t come after all? Cancel"),
}


@pytest.mark.parametrize(("before", "size", "subject", "state", "asks"), REMINDED.values(), ids=[*REMINDED])
def test_a_reminder_speaks_as_one_does_so_long_before(before, size, subject, state, asks) -> None:
    session = make_session()
    message = build(make_notice(NoticeKind.REMINDER, make_booking(session, size=size)), now=START - before)

    html = str(message.alternatives[0][0])
    assert message.subject == f"Reminder: {subject}"
    assert f">{state}</div>" in html
    assert (asks in str(message.body), asks in html) == (True, True)
    others = {ONCE_MORE, "Fewer of you are coming?"} - {asks}
    assert [words for words in others if words in html] == []


def test_the_confirmation_brings_calendar_and_code() -> None:
    message = sent_as(example(NoticeKind.CONFIRMED))

    types = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert types == ["text/plain", "text/html", "text/calendar", "application/ics", "image/png"]
    calendar = next(part for part in message.walk() if part.get_content_type() == "text/calendar")
    assert calendar.get_param("method") == "REQUEST"


def test_the_confirmation_of_a_move_names_the_session_that_was_given_up() -> None:
    given_up = "Your earlier session, Friday 12 February 2027, 09:30, is given up for this one."
    booking = make_booking()
    moved = make_notice(NoticeKind.CONFIRMED, booking, starts_at=(START - DAY).isoformat())

    told = [
        given_up in words
        for message in (sent_as(moved), sent_as(example(NoticeKind.CONFIRMED)))
        for words in (text_of(message), html_of(message))
    ]

    assert told == [True, True, False, False]


def test_a_swap_names_the_new_date_and_the_old_one_and_brings_calendar_and_code() -> None:
    message = sent_as(example(NoticeKind.SWAPPED))
    text = text_of(message)
    assert message["Subject"] == "Swapped: 2 places, now Sat 13 Feb, be there by 09:15"
    assert "You swapped: see you on Saturday 13 February at 09:30." in text
    assert "Your earlier session, Friday 12 February 2027, 09:30, is given up." in text
    types = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert types == ["text/plain", "text/html", "text/calendar", "application/ics", "image/png"]


@pytest.mark.parametrize("was", [BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN])
def test_only_who_had_places_gets_a_calendar_entry_taken_back(was: BookingStatus) -> None:
    session = make_session()
    held, waited = make_booking(session, BookingStatus.CALLED_OFF), make_booking(session, BookingStatus.CALLED_OFF)
    BookingEvent.objects.filter(booking=held).update(from_status=was)
    BookingEvent.objects.filter(booking=waited).update(from_status=BookingStatus.WAITING)

    def methods(booking: Booking) -> list[object]:
        parts = sent_as(make_notice(NoticeKind.CALLED_OFF, booking)).walk()
        return [part.get_param("method") for part in parts if part.get_content_type() == "text/calendar"]

    assert methods(held) == ["CANCEL"]
    assert methods(waited) == []

    make_booking(make_session(season=session.season), party=held.party)
    assert methods(held) == [], "it has other places by now, and its calendar has one entry"


HOSTILE = {
    "lines": "Eve\r\nBcc: all@evil.example\r\n\r\nhello",
    "direction": "Eve \u202egnp.exe\u202c \u2066x",
    "long": "E" * 120,
    "address": "http://evil.example/win www.evil.example a@b.example evil。example",
    "markup": "<a href='https://evil.example'>Eve</a> [Eve](https://evil.example)",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("kind", [NoticeKind.PROVE, NoticeKind.IN_LINE, NoticeKind.CONFIRMED])
def test_a_hostile_name_spoils_nothing(kind: NoticeKind, name: str) -> None:
    party = make_party(lead_name=name, companions=[name], proven=kind == NoticeKind.CONFIRMED)
    session = make_session(season=party.season)
    status = {NoticeKind.PROVE: BookingStatus.OFFERED, NoticeKind.IN_LINE: BookingStatus.WAITING}
    booking = make_booking(session, status.get(kind, BookingStatus.CONFIRMED), party=party)
    plain = make_booking(session, status.get(kind, BookingStatus.CONFIRMED), proven=party.is_proven)

    message = sent_as(make_notice(kind, booking))

    assert message.keys() == sent_as(make_notice(kind, plain)).keys()
    assert message["Bcc"] is None
    shown = text_of(message) + html_of(message)
    assert not re.search(r"evil[.。]example|a@b|[\u202a-\u202e\u2066\u2067]", shown)
    assert "E" * 61 not in shown
    assert len(re.findall("<a ", html_of(message))) == 2


def test_signs_of_markup_in_the_words_of_a_host_stay_signs() -> None:
    booking = make_booking(make_session(venue=make_venue(gate="Gate <3> & 4")))

    message = sent_as(make_notice(NoticeKind.CONFIRMED, booking))

    assert "Gate <3> & 4" in text_of(message)
    assert "Gate &lt;3&gt; &amp; 4" in html_of(message)


def test_names_keep_what_names_are_made_of() -> None:
    names = ["J.R. O’Neill-Çelik", "林晓云", "Søren  Ærø", "D’Angelo 3"]

    assert [neutral_name(name) for name in names] == ["J. R. O’Neill-Çelik", "林晓云", "Søren Ærø", "D’Angelo 3"]
    assert neutral_name("ليلى") == "\u2068ليلى\u2069"
    assert len(neutral_name("E" * 300)) == 60


def test_a_stranger_reads_no_name_but_the_lead() -> None:
    booking = make_sign_up(companions=["Buy at my shop"])

    assert "Buy at" not in text_of(sent_as(make_notice(NoticeKind.PROVE, booking)))


def test_the_same_notice_keeps_its_message_id() -> None:
    notice = example(NoticeKind.OFFER)

    assert sent_as(notice)["Message-ID"] == sent_as(notice, minutes=5)["Message-ID"]


def test_the_gate_stays_in_one_piece_at_the_end_of_a_line_unless_it_is_long() -> None:
    def told(gate: str) -> str:
        booking = make_booking(make_session(venue=make_venue(gate=gate)))
        return html_of(sent_as(make_notice(NoticeKind.CONFIRMED, booking)))

    assert told("Gate 3").count('<span style="white-space:nowrap">Gate 3</span>') == 2
    assert "<span" not in told("The visitors’ entrance on Foundry Road").partition("</h1>")[2].partition("+86")[0]
