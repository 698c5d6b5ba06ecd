"""The main job in a real browser: by keyboard alone on the smallest phone, without scripts; by mouse at a desk."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone, translation
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from bookings import outbox
from bookings.domain.invariants import broken_promises
from bookings.models import TourSession
from tests.browser.conftest import DESK, PHONE, scrolls_sideways
from tests.factories import DAY, make_house, make_season, make_session, make_tour
from tests.smtp import MailServer
from tests.stamps import older

# More presses than any page has things to reach.
ENOUGH = 80
PEOPLE = {
    "en": [("Lin Xiaoyun", "Wei Jun"), ("Ana García", "Noor van Dijk")],
    "zh-hans": [("林晓云", "魏军"), ("欧阳静怡", "古丽·买买提")],
}


class Keyboard:
    """Tab, Shift+Tab, Space, Enter and the arrows; nothing is ever clicked."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def reach(self, target: Locator, *, backwards: bool = False) -> None:
        expect(target).to_have_count(1)
        for _press in range(ENOUGH):
            if is_focused(target):
                return
            self.page.keyboard.press("Shift+Tab" if backwards else "Tab")
        raise AssertionError(f"{target} cannot be reached by Tab on {self.page.url}")

    def press(self, target: Locator) -> None:
        self.reach(target)
        self.page.keyboard.press("Enter")

    def check(self, target: Locator) -> None:
        self.reach(target)
        self.page.keyboard.press("Space")

    def write(self, target: Locator, text: str) -> None:
        self.reach(target)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def choose(self, target: Locator, *, line: int) -> None:
        self.reach(target)
        for _line in range(line):
            self.page.keyboard.press("ArrowDown")

    def choose_size(self, size: int) -> None:
        """The group has one place in the order of Tab; arrows move within it."""
        self.reach(self.page.locator("[name=size]:checked"))
        for _size in range(3):
            if is_focused(self.page.locator(f"[name=size][value='{size}']")):
                return
            self.page.keyboard.press("ArrowDown")


class Mouse:
    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        target.click()

    def check(self, target: Locator) -> None:
        target.click()

    def write(self, target: Locator, text: str) -> None:
        target.click()
        target.fill(text)

    def choose(self, target: Locator, *, line: int) -> None:
        target.select_option(index=line)

    def choose_size(self, size: int) -> None:
        # The whole tile answers, as its radio button lies over all of it.
        self.page.locator(f".tile:has([value='{size}'])").click()


Hands = Keyboard | Mouse


def is_focused(target: Locator) -> bool:
    return bool(target.evaluate("element => element === document.activeElement"))


def said(words: str) -> str:
    """The words in the language of the test."""
    return translation.gettext(words)


def button(page: Page, words: str) -> Locator:
    return page.get_by_role("button", name=words, exact=True)


def state(page: Page) -> Locator:
    return page.locator(".sign .sign-state span")


@pytest.fixture
def session(settings: Any, live_server: LiveServer, mail_server: MailServer) -> TourSession:
    """With room for one party of two; mails go to a real server and carry the address of this one."""
    settings.SITE_URL = live_server.url
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_server.port
    make_house()
    now = timezone.now()
    season = make_season(tour=make_tour(), opens_at=now - DAY, closes_at=now + 60 * DAY)
    return make_session(season=season, starts_at=now + 40 * DAY, capacity=2)


def next_link(mail_server: MailServer, language: str) -> str:
    """What the party's newest mail leads to, once what is due is handed over."""
    before = len(mail_server.taken)
    assert outbox.deliver_due(timezone.now() + timedelta(seconds=1)) == 1
    [mail] = mail_server.taken[before:]
    body = mail.get_body(("plain",))
    assert body is not None
    found = re.search(rf"https?://\S+/{language}/visit/\S+", body.get_content())
    assert found
    return found[0]


def walk_to_the_form(hands: Hands, language: str, act: str, link: str) -> None:
    page = hands.page
    page.goto(f"/{language}/")
    hands.press(page.get_by_role("link", name=re.compile(f"^{link}")))
    hands.press(page.get_by_role("link", name=act, exact=True))
    expect(page.locator("form #id_lead_name")).to_be_visible()
    assert not scrolls_sideways(page)


def fill(hands: Hands, names: tuple[str, str], email: str) -> None:
    page = hands.page
    hands.choose_size(2)
    hands.write(page.locator("#id_lead_name"), names[0])
    hands.write(page.locator("#id_email"), email)
    hands.write(page.locator("#id_name_2"), names[1])
    hands.choose(page.locator("#id_age_2"), line=2)
    hands.check(page.locator("#id_short_notice"))
    stamp = page.locator("[name=submission_key]")
    stamp.evaluate("(field, older) => { field.value = older; }", older(stamp.input_value()))


def see_what_is_wrong(hands: Hands, names: tuple[str, str], wrong: str) -> None:
    """The summary has the focus, leads to the field, and nothing that was typed is lost."""
    page = hands.page
    summary = page.locator(".error-summary")
    expect(summary).to_be_focused()
    assert page.title().startswith(said("Error:"))
    hands.press(summary.get_by_role("link"))
    expect(page.locator("#id_email")).to_be_focused()
    expect(page.locator("#id_email")).to_have_attribute("aria-invalid", "true")
    assert {
        name: page.locator(f"[name={name}]").input_value()
        for name in ("lead_name", "lead_age", "email", "name_2", "age_2")
    } == {"lead_name": names[0], "lead_age": "18-", "email": wrong, "name_2": names[1], "age_2": "6-17"}
    expect(page.locator("[name=size][value='2']")).to_be_checked()
    expect(page.locator("#id_short_notice")).to_be_checked()
    if isinstance(hands, Keyboard):
        hands.reach(page.locator("#id_lead_name"), backwards=True)


def ask_for_places(hands: Hands, language: str) -> None:
    names = PEOPLE[language][0]
    page = hands.page
    walk_to_the_form(hands, language, said("Ask for places"), said("Sign up"))
    ask = page.locator("#ask")
    fill(hands, names, "lin@works")
    hands.press(ask)
    see_what_is_wrong(hands, names, "lin@works")
    hands.write(page.locator("#id_email"), "lin@visitors.example")
    hands.press(ask)
    expect(page.get_by_role("heading", level=1)).to_have_text(said("Now press the button in our mail."))


def join_the_line(hands: Hands, language: str) -> None:
    walk_to_the_form(hands, language, said("Join the waitlist"), said("Join the waitlist"))
    fill(hands, PEOPLE[language][1], "second@visitors.example")
    hands.press(button(hands.page, said("Join the waitlist")))
    expect(hands.page.get_by_role("heading", level=1)).to_have_text(said("Now press the button in our mail."))


def play(first: Hands, second: Hands, *, session: TourSession, mail_server: MailServer, language: str) -> None:
    """One party gets the two places, the next waits, the first gives them up, the second takes them."""
    ask_for_places(first, language)
    first.page.goto(next_link(mail_server, language))
    first.press(first.page.locator(".sign form[action$='/prove/'] button"))
    expect(state(first.page)).to_have_text(said("Confirmed"))
    next_link(mail_server, language)

    join_the_line(second, language)
    second.page.goto(next_link(mail_server, language))
    second.press(button(second.page, said("Stand in line")))
    expect(second.page.get_by_role("heading", level=1)).to_have_text(said("You are first in line"))
    assert statuses(session) == ["confirmed", "waiting"]

    first.press(first.page.locator("a[href$='/cancel/']"))
    expect(first.page.get_by_role("heading", level=1)).to_have_text(
        translation.ngettext("Cancel your %(places)s place?", "Cancel your %(places)s places?", 2) % {"places": 2}
    )
    first.press(first.page.locator("form[action$='/cancel/'] button"))
    expect(state(first.page)).to_have_text(translation.pgettext("by the party itself", "Cancelled"))
    before = len(mail_server.taken)
    assert outbox.deliver_due(timezone.now() + timedelta(seconds=1)) == 2
    [offer] = [mail for mail in mail_server.taken[before:] if mail["To"] == "second@visitors.example"]
    body = offer.get_body(("plain",))
    assert body is not None
    [link] = re.findall(rf"https?://\S+/{language}/visit/\S+", body.get_content())[:1]

    second.page.goto(link)
    expect(state(second.page)).to_have_text(said("Offered"))
    second.press(second.page.locator("form[action$='/accept/'] button"))
    expect(state(second.page)).to_have_text(said("Confirmed"))
    for name in PEOPLE[language][1]:
        expect(second.page.get_by_text(name, exact=True)).to_be_visible()
    assert not scrolls_sideways(second.page)
    assert statuses(session) == ["cancelled", "confirmed"]
    assert list(broken_promises(now=timezone.now())) == []


def statuses(session: TourSession) -> list[str]:
    return list(session.bookings.order_by("pk").values_list("status", flat=True))


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_two_parties_come_to_their_places_by_keyboard_alone_without_scripts_at_320_pixels(
    open_browser: Callable[..., Page], session: TourSession, mail_server: MailServer, language: str
):
    first, second = (Keyboard(open_browser(width=PHONE, javascript=False)) for _party in range(2))
    with translation.override(language):
        play(first, second, session=session, mail_server=mail_server, language=language)


def test_two_parties_come_to_their_places_with_a_mouse_and_scripts_at_a_desk(
    open_browser: Callable[..., Page], session: TourSession, mail_server: MailServer
):
    first, second = (Mouse(open_browser(width=DESK)) for _party in range(2))
    with translation.override("en"):
        play(first, second, session=session, mail_server=mail_server, language="en")


def test_the_first_press_of_tab_offers_the_way_past_the_navigation(
    open_browser: Callable[..., Page], session: TourSession
):
    page = open_browser(javascript=False)
    page.goto(session.get_absolute_url())
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="All sessions")).to_be_focused()
