"""Swapping in a real browser: open to everybody in both languages, and pressed with and without scripts."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from bookings.domain import swaps
from bookings.models import Booking, BookingStatus, SwapWish
from tests.browser.conftest import accessibility_faults, scrolls_sideways
from tests.browser.example import Example
from tests.factories import make_booking, make_waiting
from tests.portal.visits import address, link


@pytest.fixture
def example() -> Example:
    return Example(timezone.now())


@pytest.fixture
def mine(example: Example) -> Booking:
    return Booking.objects.get(party=example.parties["confirmed"], status=BookingStatus.CONFIRMED)


def wished(example: Example, mine: Booking, *, session: str, size: int) -> int:
    """Somebody else's wish for the session of this party."""
    theirs = make_booking(example.sessions[session], size=size)
    swaps.wish_swap(theirs.party_id, session_pks=[mine.session_id], now=example.now)
    return SwapWish.objects.get(booking=theirs).pk


def faults(page: Page, what: str) -> list[str]:
    found = accessibility_faults(page)
    if scrolls_sideways(page):
        found.append("scrolls sideways")
    if (headings := page.locator("h1:visible").count()) != 1:
        found.append(f"{headings} headings of the first level")
    return [f"{what}: {fault}" for fault in found]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_pages_of_a_swap_are_open_to_everybody(
    open_browser: Callable[..., Page], example: Example, mine: Booking, language: str
) -> None:
    page, found = open_browser(), []
    page.goto(link(mine.party, language))
    found += faults(page, "no wish yet, the party's page")
    page.goto(address(mine.party, "swap/", language))
    found += faults(page, "no wish yet")
    page.locator("main [type=submit][name=swap]").click()
    assert page.locator("[role=alert]").count() == 1
    found += faults(page, "no date chosen")
    make_waiting(example.sessions["full"], party=mine.party)
    wish = wished(example, mine, session="places", size=3)
    wished(example, mine, session="few", size=1)
    swaps.wish_swap(mine.party_id, session_pks=[example.sessions["full"].pk], now=example.now)
    page.goto(address(mine.party, "", language))
    found += faults(page, "wishes, the party's page")
    page.goto(address(mine.party, "swap/", language))
    assert page.locator('a.btn[href*="/swap/"]').count() == 2
    found += faults(page, "wishes")
    page.goto(address(mine.party, f"swap/{wish}/", language))
    found += faults(page, "the question")
    page.goto(address(mine.party, "swap/987654/", language))
    found += faults(page, "a wish that is gone")
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("javascript", [True, False])
def test_a_party_wishes_withdraws_and_says_yes_from_the_keyboard(
    open_browser: Callable[..., Page], example: Example, mine: Booking, javascript: bool
) -> None:
    places = example.sessions["places"]
    page = open_browser(javascript=javascript)
    page.goto(link(mine.party))

    page.get_by_role("link", name="Swap with another party").click()
    page.locator(f'input[value="{places.pk}"]').focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Wish to swap").focus()
    page.keyboard.press("Enter")
    page.get_by_text("You wish to swap into:").wait_for()

    page.get_by_role("link", name="Swap with another party").click()
    page.get_by_role("button", name="Withdraw our wish").click()
    page.locator(".sign-confirmed").wait_for()
    assert SwapWish.objects.count() == 0

    wished(example, mine, session="places", size=3)
    page.get_by_role("link", name="Swap with another party").click()
    page.get_by_role("link", name="Swap with them").click()
    page.get_by_role("button", name="Swap our 3 places").click()
    page.get_by_text("You swapped with another party, and its places became yours.").wait_for()
    assert Booking.objects.get(party=mine.party, status=BookingStatus.CONFIRMED).session == places
