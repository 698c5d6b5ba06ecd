"""Takes the pictures of the README anew: `python -m tests.browser.pictures`.

Plays the example season with its rush into a database of its own, serves it with gunicorn, and writes four PNGs to
`docs/images/`. Needs what `requirements/test.txt` installs, and Chromium (CHROMIUM, if it is not on the PATH).
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from portal.testing import find_browser
from tests.browser.conftest import ARGUMENTS
from tests.smtp import free_port

TOP = Path(__file__).resolve().parent.parent.parent
IMAGES = TOP / "docs" / "images"
WIDE, PHONE = 1280, 360
HOST, PASSWORD = "host", "only-for-the-pictures"


def wait_until_answers(portal: "Portal") -> None:
    end = monotonic() + 40
    while not portal.answers():
        if monotonic() > end:
            raise SystemExit("The portal does not answer.")
        sleep(0.1)


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        with running_portal(Path(folder)) as portal:
            take(chromium, portal)
        chromium.close()


class Portal:
    """The example house in a folder of its own; nothing of it is left afterwards."""

    def __init__(self, folder: Path, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.port = port
        self.database = folder / "portal.sqlite3"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}
        self.environment = {
            **kept,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "EMAIL_URL": f"eml://{folder}/mail",
            "PORT": str(port),
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=TOP, env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.address}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def told(self, lines: str) -> str:
        """What these lines print in the portal's own shell."""
        return self.manage("shell", "--no-imports", "--command", lines).strip()


OFFERED_PARTY = """
from bookings.emails import party_link
from bookings.models import Booking
offers = Booking.objects.filter(status="offered", offer_source="waitlist", places=2, party__language="zh-hans")
print(party_link(offers.order_by("-offer_expires_at")[0].party))
"""
FIRST_SEASON = "from bookings.models import Season; print(Season.objects.get(tour__slug='car-line').pk)"
BUSY_SESSION_WITH_ROOM = """
from bookings.models import TourSession
sessions = TourSession.objects.filter(season__tour__slug="car-line", parties_waiting=0, called_off_at=None)
print(next(session.pk for session in sessions.order_by("-parties_held") if session.room_for(3)))
"""
# What worker and clock would have done by now.
WORKER_AND_CLOCK = """
from django.utils import timezone
from bookings import outbox, tasks
from bookings.models import Notice
now = timezone.now()
while Notice.objects.due(now).exists():
    outbox.deliver_due(now)
tasks.heartbeat()
"""


@contextmanager
def running_portal(folder: Path) -> Iterator[Portal]:
    portal = Portal(folder, port=free_port())
    portal.manage("migrate", "--verbosity", "0")
    portal.manage("seed_demo", "--rush")
    portal.manage("collectstatic", "--noinput", "--verbosity", "0")
    portal.manage("createsuperuser", "--noinput", "--username", HOST, "--email", "host@works.example")
    command = [sys.executable, "-m", "gunicorn", "portal.wsgi", "-k", "gthread", "--bind", f"127.0.0.1:{portal.port}"]
    server = subprocess.Popen(command, cwd=TOP, env=portal.environment)
    try:
        wait_until_answers(portal)
        yield portal
    finally:
        server.terminate()
        server.wait()


def take(chromium: Browser, portal: Portal) -> None:
    page = open_page(chromium, portal, width=WIDE, height=1380)
    page.goto("/en/")
    save(page, "home")

    page = open_page(chromium, portal, width=PHONE, height=860, scale=2)
    page.goto(f"/en/sessions/{portal.told(BUSY_SESSION_WITH_ROOM)}/sign-up/")
    page.locator("#id_lead_name").fill("Lin Xiaoyun")
    page.locator("#id_lead_name").blur()
    save(page, "sign-up")

    page = open_page(chromium, portal, width=PHONE, height=860, scale=2)
    page.goto(portal.told(OFFERED_PARTY))
    save(page, "party")

    portal.told(WORKER_AND_CLOCK)
    page = open_page(chromium, portal, width=WIDE, height=1100)
    page.goto("/en/admin/")
    page.locator("#id_username").fill(HOST)
    page.locator("#id_password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/en/admin/")
    page.goto(f"/en/admin/bookings/season/{portal.told(FIRST_SEASON)}/overview/")
    save(page, "overview")


def open_page(chromium: Browser, portal: Portal, *, width: int, height: int, scale: int = 1) -> Page:
    viewport: ViewportSize = {"width": width, "height": height}
    return chromium.new_page(base_url=portal.address, viewport=viewport, device_scale_factor=scale)


def save(page: Page, name: str) -> None:
    """What a visitor sees first, without the blinking mark of a field."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"{name}.png", caret="hide", animations="disabled")
    page.close()


if __name__ == "__main__":
    main()
