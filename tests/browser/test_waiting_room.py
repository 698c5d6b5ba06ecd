"""A form that was sent and not taken, in a real browser: it is sent again by itself.

Without JavaScript its button does: see tests/portal/test_waiting_room.py.
"""

from collections.abc import Callable
from typing import Any

from django.utils import timezone
from playwright.sync_api import Page, expect

from bookings.models import Party
from portal import shared
from tests.browser.conftest import accessibility_faults, scrolls_sideways
from tests.browser.test_proof import with_an_older_stamp
from tests.factories import DAY, make_house, make_season, make_session, make_tour


def test_a_form_that_was_not_taken_is_sent_again_by_itself_as_it_was_written(
    open_browser: Callable[..., Page], settings: Any
):
    make_house()
    moment = timezone.now()
    season = make_season(tour=make_tour(), opens_at=moment - DAY, closes_at=moment + 60 * DAY)
    session = make_session(season=season, starts_at=moment + 40 * DAY)
    page = open_browser()
    page.clock.install()
    page.route("**/sign-up/", with_an_older_stamp)
    page.goto(f"/en/sessions/{session.pk}/sign-up/")
    page.locator("[name=size][value='1']").check(force=True)
    page.locator("#id_lead_name").fill('Lin "Xiaoyun"')
    page.locator("#id_email").fill("lin@visitors.example")
    page.locator("#id_access_needs").fill("A ramp,\nand <quiet>")
    shared.ask(lambda redis: redis.flushdb(), otherwise=None)
    settings.WAITING_ROOM = "on"
    page.locator("#ask").click()

    expect(page).to_have_title("Not sent yet: You are next · Northgate Car Works")
    expect(page.get_by_text("What you wrote is kept on this page")).to_be_visible()
    assert not scrolls_sideways(page)
    assert accessibility_faults(page) == []
    expect(page.get_by_text("This page sends it again in")).to_be_visible()
    page.clock.fast_forward("00:30")
    expect(page.get_by_role("heading", level=1)).to_have_text("Now press the button in our mail.")
    party = Party.objects.get()
    assert (party.lead_name, party.access_needs) == ('Lin "Xiaoyun"', "A ramp,\nand <quiet>")
