"""Every page in every state, in both languages, on the smallest phone: what axe, the browser and a reader say of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from playwright.sync_api import Page

from bookings.emails import party_link
from bookings.models import Season
from tests.browser.conftest import accessibility_faults, scrolls_sideways
from tests.browser.example import Example

LANGUAGES = pytest.mark.parametrize("language", ["en", "zh-hans"])
# Parts of the party's page, not states of it.
PARTS = {"_keeps", "_outlook", "_rest", "_side", "_still_coming", "_told", "_why"}


class Visitor:
    """Opens page after page in one browser and writes down what is wrong with each."""

    def __init__(self, page: Page, language: str) -> None:
        self.page = page
        self.language = language
        self.faults: list[str] = []
        self.titles: dict[str, str] = {}

    def open(self, name: str, path: str, *, status: int = 200, like: str = "") -> None:
        answer = self.page.goto(path)
        assert answer is not None
        if answer.status != status:
            self.faults.append(f"{name}: answers {answer.status}, not {status}")
        self.look(name, like=like)

    def look(self, name: str, *, like: str = "") -> None:
        """``like`` names a page whose title this one may share."""
        page = self.page
        found = accessibility_faults(page)
        if scrolls_sideways(page):
            found.append("scrolls sideways")
        if (headings := page.locator("h1:visible").count()) != 1:
            found.append(f"{headings} headings of the first level")
        if (lang := page.locator("html").get_attribute("lang") or "").lower() != self.language:
            found.append(f"says that its language is {lang}")
        title = page.title()
        if len(title) < 4 or (like or name) != self.titles.setdefault(title, name):
            found.append(f"is called {title!r}, like {self.titles[title]}")
        self.faults += [f"{name}: {fault}" for fault in found]

    def tell(self) -> None:
        """All of it at once: whoever mends one page wants to see the others."""
        if self.faults:
            pytest.fail("\n".join(self.faults), pytrace=False)

    def url(self, view: str, *args: Any) -> str:
        with translation.override(self.language):
            return reverse(view, args=args)

    def send(self) -> None:
        """Press the button of the page's own form."""
        with self.page.expect_navigation():
            self.page.locator("main form [type=submit]").first.click()


@pytest.fixture
def visitor(open_browser: Callable[..., Page], language: str) -> Visitor:
    return Visitor(open_browser(), language)


@pytest.fixture
def example() -> Example:
    return Example(timezone.now())


@LANGUAGES
def test_public_pages_are_open_to_everybody(visitor: Visitor, example: Example):
    url, sessions = visitor.url, example.sessions
    visitor.open("home", url("home"))
    visitor.open("home, filtered", f"{url('home')}?season={example.season.pk}&only=festival", like="home")
    visitor.open("tour", url("tour", "line"))
    visitor.open("privacy", url("privacy"))
    for state, session in sessions.items():
        visitor.open(f"session, {state}", url("session", session.pk))
    for state, status in {
        "not yet": 200,
        "locked": 410,
        "called off": 410,
        "closed by a host": 410,
        "season closed": 410,
    }.items():
        visitor.open(f"sign-up, {state}", url("sign_up", sessions[state].pk), status=status)
    for state in ("places", "waitlist"):
        visitor.open(f"asked, {state}", url("asked", sessions[state].pk), like="asked, places")
    visitor.open("unknown session", url("session", 999_999), status=404)
    visitor.open("unknown page", f"/{visitor.language}/nowhere/", status=404)
    Season.objects.update(published=False)
    visitor.open("no season", f"{url('home')}?between")
    visitor.tell()


@LANGUAGES
def test_forms_are_open_to_everybody_before_and_after_an_error(visitor: Visitor, example: Example):
    url, page = visitor.url, visitor.page
    for state in ("places", "waitlist"):
        address = url("sign_up", example.sessions[state].pk)
        visitor.open(f"sign-up, {state}", address)
        visitor.send()
        visitor.look(f"sign-up with errors, {state}")
    visitor.open("sign-up alone", url("sign_up", example.sessions["few"].pk))
    page.context.clear_cookies()
    visitor.send()
    visitor.look("no cookie")
    visitor.open("send link", url("send_link"))
    visitor.send()
    visitor.look("send link with an error")
    page.locator("#id_email").fill("a" * 70_000)
    visitor.send()
    visitor.look("too much")
    page.goto(url("send_link"))
    page.locator("#id_email").fill("lin@visitors.example")
    visitor.send()
    visitor.look("link asked again")
    visitor.tell()


@LANGUAGES
def test_the_partys_page_is_open_to_everybody_in_every_state(visitor: Visitor, example: Example):
    states = {path.stem for path in (Path(settings.BASE_DIR) / "templates/portal/visit").glob("_*.html")} - PARTS
    assert {f"_{state}" for state in example.parties} == states
    url, page = visitor.url, visitor.page
    confirmed = example.parties["confirmed"]
    visitor.open("locked", url("visit", confirmed.code), status=403)
    visitor.open("old link", url("visit_link", confirmed.code, "x" * 43), status=404)
    first = next(iter(example.parties))
    for state, party in example.parties.items():
        visitor.open(state, link_of(party, visitor.language), like=first)
        assert page.locator(".sign h1").count() == 1, state
    visitor.open("cancel?", url("visit_cancel", confirmed.code))
    visitor.open("leave?", url("visit_leave", example.parties["waiting"].code))
    for view in ("visit_fewer", "visit_people"):
        visitor.open(view, url(view, confirmed.code))
        page.locator("#id_lead_name").fill("")
        visitor.send()
        visitor.look(f"{view} with errors")
    visitor.tell()


def link_of(party: Any, language: str) -> str:
    return party_link(party, language=language).removeprefix(settings.SITE_URL)


@LANGUAGES
def test_staff_pages_are_open_to_everybody(visitor: Visitor, example: Example, client: Client):
    url, page, sessions = visitor.url, visitor.page, example.sessions
    visitor.open("login", url("admin:login"))
    sign_in(page, client, User.objects.create_user("gate", is_staff=True))
    visitor.open("not allowed", url("admin:bookings_desk"), status=403)
    sign_in(page, client, User.objects.create_superuser("host"))
    confirmed = example.parties["confirmed"]
    for name, address in {
        "index": url("admin:index"),
        "desk": url("admin:bookings_desk"),
        "check-in": url("admin:bookings_check_in", sessions["running"].pk),
        "roster": url("admin:bookings_roster", sessions["running"].pk),
        "empty roster": url("admin:bookings_roster", sessions["places"].pk),
        "overview": url("admin:bookings_season_overview", example.season.pk),
        "mails": url("admin:bookings_season_mails", example.season.pk),
        "mail texts": url("admin:bookings_mailtext_changelist"),
        "new mail text": url("admin:bookings_mailtext_add"),
        "coming": url("admin:bookings_season_coming", example.season.pk),
        "seasons": url("admin:bookings_season_changelist"),
        "season": url("admin:bookings_season_change", example.season.pk),
        "sessions": url("admin:bookings_toursession_changelist"),
        "session": url("admin:bookings_toursession_change", sessions["waitlist"].pk),
        "parties": url("admin:bookings_party_changelist"),
        "party": url("admin:bookings_party_change", confirmed.pk),
        "notices": url("admin:bookings_notice_changelist"),
        "notice": url("admin:bookings_notice_preview", example.notice.pk),
    }.items():
        visitor.open(name, address)
    visitor.tell()


def sign_in(page: Page, client: Client, user: User) -> None:
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": page.evaluate("origin")}])
