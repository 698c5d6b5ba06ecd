"""What a stylesheet can spoil: words in the dark, in forced colours, the mark of focus, the size of targets."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from tests.browser.conftest import DESK, PHONE, accessibility_faults
from tests.browser.example import Example
from tests.browser.test_pages import link_of
from tests.factories import HOUR, make_offered
from tests.portal.visits import address

# Of everything that can be reached by Tab: a word for it, what shows that it has the focus, and how large it is.
LOOK_AT_FOCUSED = """() => {
  // The outline may be drawn by the element, by what covers the row it stands in, or by its label (a tile).
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const shows = ["", "::after"].map(part => getComputedStyle(one, part)).concat(
    [...(one.labels ?? [])].map(label => getComputedStyle(label)));
  const outlines = shows.map(part => part.outlineStyle === "none" ? 0 : parseFloat(part.outlineWidth));
  const label = one.labels?.[0]?.getBoundingClientRect();
  return {
    is_body: one === document.body,
    name: `${one.tagName.toLowerCase()} ${one.id || one.textContent.trim()}`,
    outline: Math.max(...outlines),
    width: Math.max(box.width, label?.width ?? 0),
    height: Math.max(box.height, label?.height ?? 0),
    is_in_sight: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    is_inline: style.display === "inline" && one.closest("p, li, dd") !== null,
  };
}"""
# Words whose colour has less than 4.5 : 1 to the nearest ground that is painted behind them.
FIND_UNREADABLE = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = one => {
    for (; one; one = one.parentElement) {
      const painted = channels(getComputedStyle(one).backgroundColor);
      if (painted[3] !== 0) return painted;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter(one => one.checkVisibility() && !one.closest("svg, option"))
    .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .filter(one => {
      const [low, high] = [light(channels(getComputedStyle(one).color)), light(ground(one))].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05) < 4.5;
    })
    .map(one => `${one.outerHTML.slice(0, 120)} ${getComputedStyle(one).color} on ${ground(one)}`);
}"""


@pytest.fixture
def addresses() -> dict[str, str]:
    example = Example(timezone.now())
    fewer = make_offered(
        example.sessions["few"], offer_expires_at=example.now + 3 * HOUR, size=3, smallest_size=2, places=2
    )
    places, waitlist = example.sessions["places"].pk, example.sessions["waitlist"].pk
    return {
        "home": "/en/",
        "tour": "/en/tours/line/",
        "session": f"/en/sessions/{waitlist}/",
        "sign-up": f"/en/sessions/{places}/sign-up/",
        "asked": f"/en/sessions/{places}/asked/",
        **{
            state: link_of(example.parties[state], "en")
            for state in ("offered", "waiting", "cancelled", "called_off", "confirmed")
        },
        "other dates": address(example.parties["confirmed"], "sessions/"),
        "swap": address(example.parties["confirmed"], "swap/"),
        "offered fewer": link_of(fewer.party, "en"),
    }


def look_at_each(page: Page, addresses: dict[str, str], faults_of: Callable[[Page], list[str]]) -> None:
    """Every page, and the form once more with its errors; all that is wrong is told at once."""
    faults = []
    for name, where in addresses.items():
        page.goto(where)
        faults += [f"{name}: {fault}" for fault in faults_of(page)]
        if name == "sign-up":
            page.locator("#ask").click()
            page.wait_for_selector(".error-summary")
            faults += [f"errors: {fault}" for fault in faults_of(page)]
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


def test_every_word_can_be_read_in_the_dark(open_browser: Callable[..., Page], addresses: dict[str, str]):
    """By axe, and measured by ourselves: axe says nothing of words that something invisible lies over."""
    page = open_browser(width=DESK, scheme="dark")
    look_at_each(page, addresses, lambda page: [*accessibility_faults(page), *page.evaluate(FIND_UNREADABLE)])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read_in_forced_colours(
    open_browser: Callable[..., Page], addresses: dict[str, str], scheme: str
):
    """Measured by ourselves: axe reads the colours of our plates, which the browser has replaced."""
    page = open_browser(width=DESK, scheme=scheme, forced_colors="active")
    look_at_each(page, addresses, lambda page: list(page.evaluate(FIND_UNREADABLE)))


def focused(page: Page) -> list[dict[str, Any]]:
    """Everything on the page that Tab comes to, in its order."""
    found: list[dict[str, Any]] = []
    while not (one := press_tab(page))["is_body"]:
        found.append(one)
        assert len(found) < 100, "Tab goes round in circles"
    return found


def press_tab(page: Page) -> dict[str, Any]:
    page.keyboard.press("Tab")
    return dict(page.evaluate(LOOK_AT_FOCUSED))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_that_has_the_focus_shows_it_and_is_large_enough_for_a_finger(
    open_browser: Callable[..., Page], addresses: dict[str, str], scheme: str
):
    page = open_browser(width=PHONE, scheme=scheme, reduced_motion="reduce")
    faults = []
    for name in ("sign-up", "home", "offered", "confirmed"):
        page.goto(addresses[name])
        reached = focused(page)
        assert len(reached) > 5
        for one in reached:
            if one["outline"] < 2 or not one["is_in_sight"]:
                faults.append(f"{name}: no focus can be seen on {one}")
            # A link within a sentence is as high as its line (WCAG 2.5.8, inline).
            if not one["is_inline"] and min(one["width"], one["height"]) < 24:
                faults.append(f"{name}: too small for a finger: {one}")
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)
