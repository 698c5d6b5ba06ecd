"""Every mail there is, in its usual shape and in those that look another way, always about the same visit."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from django.core.mail import EmailMultiAlternatives

from bookings.emails import build
from bookings.models import BookingEvent, BookingStatus, MailText, Notice, NoticeKind, Party
from tests.bookings.test_emails import example, make_notice
from tests.factories import DAY, HOUR, NOON, START, both, make_booking, make_house, make_session, make_venue

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
    "reminder-own_words": _own_words,
    "confirmed-long_names": _long_names,
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
    message = build(notice, now=_moment(notice))
    secret = notice.party.link_token
    return (
        f"Subject: {message.subject}\n\n{message.body}".replace(secret, TOKEN),
        _html(message).replace(secret, TOKEN),
    )


def _moment(notice: Notice) -> datetime:
    return START - DAY if notice.kind == NoticeKind.REMINDER else NOON


def _html(message: EmailMultiAlternatives) -> str:
    return str(message.alternatives[0][0])
