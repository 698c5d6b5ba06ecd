"""Every mail as a phone shows it: it fits, all of it can be read in both schemes, and it needs no picture.

`MAIL_PICTURES=<folder>` puts a picture of each there, to be looked at.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import accessibility_faults, scrolls_sideways
from tests.browser.test_look import FIND_UNREADABLE
from tests.mail_gallery import GOLDEN, LANGUAGES, MAILS

PHONE = 360
# What a mail may do without: it fetches nothing, and the picture of the code comes with it.
ASKED_FOR = "() => performance.getEntriesByType('resource').map(one => one.name)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mail_fits_a_phone_and_can_be_read_without_its_picture(
    open_browser: Callable[..., Page], language: str, scheme: Literal["light", "dark"]
):
    page = open_browser(width=PHONE, scheme=scheme)
    faults = []
    for name in MAILS:
        page.set_content((GOLDEN / language / f"{name}.html").read_text(encoding="utf-8"))
        faults += [f"{name}: {fault}" for fault in page.evaluate(FIND_UNREADABLE)]
        faults += [f"{name}: {fault}" for fault in accessibility_faults(page) if "region" not in fault]
        faults += [f"{name}: asks for {one}" for one in page.evaluate(ASKED_FOR) if not one.startswith("cid:")]
        if scrolls_sideways(page):
            faults.append(f"{name}: wider than the phone")
        for picture in page.locator("img").all():
            if not (picture.get_attribute("alt") or "").strip():
                faults.append(f"{name}: a picture without words")
        if folder := os.environ.get("MAIL_PICTURES"):
            page.screenshot(path=Path(folder) / f"{language}-{scheme}-{name}.png", full_page=True)
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


def test_a_list_of_mails_shows_the_fact_beside_the_subject(open_browser: Callable[..., Page]):
    """Mail programs take the first words of the body, whether they can be seen or not."""
    page = open_browser(width=PHONE)
    page.set_content((GOLDEN / "en" / "offer.html").read_text(encoding="utf-8"))

    first = page.locator("body > div").first

    assert (first.text_content() or "").startswith("2 places are yours until 22:00 today.\u034f\u00a0")
    assert not first.is_visible()
