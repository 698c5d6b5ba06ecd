"""Other dates in a real browser: open to everybody in both languages, and pressed with and without scripts."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from bookings.models import BookingStatus, Party
from tests.browser.conftest import accessibility_faults, scrolls_sideways
from tests.browser.example import Example
from tests.factories import DAY, HOUR, make_booking, make_full_session, make_offered, make_session, make_waiting
from tests.portal.visits import address, link

SESSIONS = "sessions/"


@pytest.fixture
def example() -> Example:
    return Example(timezone.now())


def faults(page: Page, what: str) -> list[str]:
    found = accessibility_faults(page)
    if scrolls_sideways(page):
        found.append("scrolls sideways")
    if (headings := page.locator("h1:visible").count()) != 1:
        found.append(f"{headings} headings of the first level")
    return [f"{what}: {fault}" for fault in found]


def who_chooses(example: Example) -> dict[str, Party]:
    """Everybody who reads something of its own on the page."""
    parties = {state: example.parties[state] for state in ("waiting", "requeued", "offered", "confirmed")}
    make_waiting(example.sessions["full"], party=parties["waiting"], preference=2)
    until = example.now + 2 * DAY
    called_off = example.sessions["called off"]
    parties["first call"] = make_booking(called_off, BookingStatus.CALLED_OFF, first_call_until=until).party
    parties["first call, waiting"] = make_waiting(example.sessions["full"], first_call_until=until).party
    return parties


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_other_dates_are_open_to_everybody(open_browser: Callable[..., Page], example: Example, language: str) -> None:
    page, found = open_browser(), []
    for state, party in who_chooses(example).items():
        page.goto(link(party, language))
        found += faults(page, f"{state}, its own page")
        page.goto(address(party, SESSIONS, language))
        found += faults(page, state)
        assert page.locator(".session-row").count() > 0, state
    party = example.parties["confirmed"]
    page.goto(address(party, f"{SESSIONS}{example.sessions['places'].pk}/take/", language))
    found += faults(page, "the question")
    page.goto(address(example.parties["waiting"], SESSIONS, language))
    page.locator("#id_smallest_size").evaluate("list => list.options[1].value = '9'")
    page.locator("#id_smallest_size").select_option(index=1)
    page.locator("main [type=submit][name=wishes]").click()
    assert page.locator("[role=alert]").count() == 1
    found += faults(page, "a wish with an error")
    for places in (1, 2):
        offer = make_offered(
            example.sessions["places"],
            size=3,
            smallest_size=1,
            places=places,
            offer_expires_at=example.now + 3 * HOUR,
            companions=["Lin Jun", "Wei Ming"],
        )
        page.goto(link(offer.party, language))
        found += faults(page, f"{places} places of 3")
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("javascript", [True, False])
def test_a_party_orders_its_wishes_waits_elsewhere_and_moves(
    open_browser: Callable[..., Page], example: Example, javascript: bool
) -> None:
    now, season = example.now, example.season
    one = make_full_session(season=season, starts_at=now + 20 * DAY)
    two = make_full_session(season=season, starts_at=now + 21 * DAY)
    free = make_session(season=season, starts_at=now + 22 * DAY)
    party = make_waiting(one, size=2).party
    page = open_browser(javascript=javascript)
    page.goto(link(party))

    page.get_by_role("link", name="Other dates").click()
    rows = page.locator(".session-row")
    rows.filter(has=page.locator(f'form[action*="/{two.pk}/join/"]')).get_by_role("button").click()
    page.locator("ol.wishes > li").nth(1).get_by_role("button", name="Up").click()
    assert [each.session_id for each in party.bookings.filter(status="waiting").order_by("preference")] == [
        two.pk,
        one.pk,
    ]
    page.locator("ol.wishes > li").nth(1).get_by_role("button", name="Leave this line").click()
    assert page.locator("ol.wishes > li").count() == 1
    page.locator(f'form[action*="/{free.pk}/take/"]').get_by_role("button").focus()
    page.keyboard.press("Enter")
    page.locator(".sign-confirmed").wait_for()

    page.get_by_role("link", name="Other dates").click()
    page.locator(f'a[href*="/{example.sessions["places"].pk}/take/"]').click()
    page.get_by_role("button", name="Move our 2 places").click()
    page.locator(".sign-confirmed").wait_for()
    confirmed = party.bookings.get(status="confirmed")
    assert confirmed.session == example.sessions["places"]


@pytest.mark.parametrize("javascript", [True, False])
def test_who_comes_is_ticked_and_the_places_are_theirs(
    open_browser: Callable[..., Page], example: Example, javascript: bool
) -> None:
    offer = make_offered(
        example.sessions["few"],
        size=3,
        smallest_size=2,
        places=2,
        offer_expires_at=example.now + 3 * HOUR,
        companions=["Lin Jun", "Wei Ming"],
    )
    page = open_browser(javascript=javascript)
    page.goto(link(offer.party))
    page.get_by_label("Wei Ming").check()
    page.get_by_role("button", name="Take the 2 places").click()
    page.locator(".sign-confirmed").wait_for()
    offer.party.refresh_from_db()
    assert [name for name, _low, _high in offer.party.people()] == ["Lin Xiaoyun", "Wei Ming"]
