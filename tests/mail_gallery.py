"""Every mail there is, in its usual shape and in those that look another way, always about the same visit."""

from collections.abc import Callable
from pathlib import Path

from django.core.mail import EmailMultiAlternatives

from bookings.domain.reconfirming import SILENT
from bookings.emails import build
from bookings.models import BookingEvent, BookingStatus, MailText, Notice, NoticeKind, Party
from tests.bookings.test_emails import example, make_notice
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    both,
    make_booking,
    make_house,
    make_season,
    make_session,
    make_venue,
)

GOLDEN = Path(__file__).parent / "golden"
LANGUAGES = ["en", "zh-hans"]
CODE, TOKEN = "7KQM3F9T", "SECRET"


def _in_line_unproven(language: str) -> Notice:
    return example(NoticeKind.IN_LINE, proven=False, prove_by=NOON + DAY, language=language)


def _offer_of_fewer(language: str) -> Notice:
    return example(
        NoticeKind.OFFER, size=3, smallest_size=1, places=2, offer_expires_at=NOON + 2 * HOUR, language=language
    )


def _lapse_that_ends(language: str) -> Notice:
    return make_notice(NoticeKind.OFFER_LAPSED, make_booking(status=BookingStatus.LAPSED, language=language))


def _other_end(language: str) -> Notice:
    ended_before = (START + HOUR).isoformat()
    return make_notice(NoticeKind.CHANGED, make_booking(language=language), ends_at=ended_before)


def _fewer_people(language: str) -> Notice:
    return make_notice(NoticeKind.CHANGED, make_booking(language=language), size=2)


def _cancelled_by_host(language: str) -> Notice:
    notice = make_notice(NoticeKind.CANCELLED, make_booking(status=BookingStatus.CANCELLED, language=language))
    BookingEvent.objects.filter(booking=notice.booking).update(who="host:mei", why="Entered twice.")
    return notice


def _called_off_with_first_call(language: str) -> Notice:
    notice = example(NoticeKind.CALLED_OFF, language=language)
    BookingEvent.objects.filter(booking=notice.booking).update(from_status=BookingStatus.CONFIRMED)
    Party.objects.filter(pk=notice.party.pk).update(first_call_until=NOON + 3 * DAY)
    return notice


def _cancelled_for_silence(language: str) -> Notice:
    notice = make_notice(NoticeKind.CANCELLED, make_booking(status=BookingStatus.CANCELLED, language=language))
    BookingEvent.objects.filter(booking=notice.booking).update(who="clock", why=SILENT)
    return notice


def _asked_again(language: str) -> Notice:
    return make_notice(NoticeKind.STILL_COMING, make_booking(language=language), again=True)


def _asked_again_before_a_release(language: str) -> Notice:
    session = make_session(season=make_season(asks_again_days=10, releases_silent=True))
    return make_notice(NoticeKind.STILL_COMING, make_booking(session, language=language), again=True)


def _reminder(language: str) -> Notice:
    return example(NoticeKind.REMINDER, language=language)


def _own_words(language: str) -> Notice:
    notice = example(NoticeKind.REMINDER, language=language)
    MailText.objects.create(
        season=notice.party.season,
        kind=notice.kind,
        language=language,
        subject={"en": "{names}, the cars wait for you", "zh-hans": "{names}，汽车在等您"}[language],
        words={
            "en": "The paint shop is warm: leave coats at {gate}.\n\n{our_words}\n\n– Water: yes.\n– Lunch: no.",
            "zh-hans": "外套可存放在{gate}。\n\n{our_words}\n\n– 有水。\n– 无午餐。",
        }[language],
        in_use=True,
        changed_at=NOON,
        changed_by="lin",
    )
    return notice


def _long_names(language: str) -> Notice:
    venue = make_venue(
        name=both("Northgate Works of the Northern Car and Engine Company", "北方汽车与发动机公司北门工厂"),
        address=both("Building 18, 1200 Foundry Road, Northgate Industrial Park", "北门工业园铸造路 1200 号 18 号楼"),
        getting_in=both("Metro line 4 to Foundry Road, exit B.", "地铁 4 号线铸造路站 B 口。"),
    )
    companions = ["Maximiliane-Alexandra von der Wolkenstein-Trostburg", "Wolfeschlegelsteinhausenbergerdorff"]
    booking = make_booking(make_session(venue=venue), size=3, companions=companions, language=language)
    return make_notice(NoticeKind.CONFIRMED, booking)


VARIANTS: dict[str, Callable[[str], Notice]] = {
    "in_line-unproven": _in_line_unproven,
    "offer-fewer": _offer_of_fewer,
    "offer_lapsed-ended": _lapse_that_ends,
    "changed-end": _other_end,
    "changed-people": _fewer_people,
    "cancelled-by_host": _cancelled_by_host,
    "called_off-first_call": _called_off_with_first_call,
    "cancelled-for_silence": _cancelled_for_silence,
    "reminder-a_week": _reminder,
    "reminder-own_words": _own_words,
    "reminder-today": _reminder,
    "still_coming-again": _asked_again,
    "still_coming-before_a_release": _asked_again_before_a_release,
    "confirmed-long_names": _long_names,
}
# When a reminder is read; any other mail at noon of the first day.
MOMENTS = {
    "reminder": START - DAY,
    "reminder-own_words": START - DAY,
    "reminder-a_week": START - 7 * DAY,
    "reminder-today": START - 2 * HOUR,
}
MAILS = sorted([*map(str, NoticeKind), *VARIANTS])


def mail(name: str, language: str) -> tuple[str, str]:
    """Text and HTML of one mail of the gallery, with the same code and link every time; the text begins with the
    subject."""
    make_house(phone="+86 10 5550 0199")
    variant = VARIANTS.get(name)
    notice = variant(language) if variant else example(NoticeKind(name), language=language)
    Party.objects.filter(pk=notice.party.pk).update(code=CODE)
    notice = Notice.objects.get(pk=notice.pk)
    message = build(notice, now=MOMENTS.get(name, NOON))
    told = [f"Subject: {message.subject}\n\n{message.body}", _html(message)]
    for secret in (notice.party.link_token, notice.party.stop_token):
        told = [words.replace(secret, TOKEN) for words in told]
    return told[0], told[1]


def _html(message: EmailMultiAlternatives) -> str:
    return str(message.alternatives[0][0])
