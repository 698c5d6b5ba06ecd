"""Who may open what: every address of the admin site, by role and method. And the banner when nobody works."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone

from bookings import outbox
from bookings.models import (
    Announcement,
    Booking,
    Breaker,
    Heartbeat,
    House,
    MailText,
    Notice,
    NoticeKind,
    Party,
    Season,
    Tour,
    TourSession,
    Venue,
)
from tests.factories import NOON, make_announcement, make_booking, make_house, make_party, make_session

pytestmark = pytest.mark.django_db

ALL_STAFF = {"Gate", "Hosts", "superuser"}
HOSTS = {"Hosts", "superuser"}
OWNER = {"superuser"}
NOBODY: set[str] = set()

# Every address by its name, and who may use it. Whoever has not signed in may use none of them.
MAY_USE: dict[str, set[str]] = {
    "index": {*ALL_STAFF, "no role"},
    "password_change": {*ALL_STAFF, "no role"},
    "bookings_desk": ALL_STAFF,
    "bookings_roster": ALL_STAFF,
    "bookings_check_in": ALL_STAFF,
    "bookings_check_in_act": ALL_STAFF,
    "bookings_season_overview": HOSTS,
    "bookings_season_coming": HOSTS,
    "bookings_season_mails": HOSTS,
    "bookings_mailtext_preview": HOSTS,
    "bookings_mailtext_html": HOSTS,
    "bookings_mailtext_test": HOSTS,
    "bookings_announcement_preview": HOSTS,
    "bookings_announcement_html": HOSTS,
    "bookings_notice_preview": HOSTS,
    "bookings_notice_html": HOSTS,
    **{
        f"bookings_{model}_{page}": HOSTS
        for model in ("venue", "tour", "season", "toursession", "announcement", "mailtext")
        for page in ("changelist", "add", "change", "history", "delete")
    },
    **{
        f"bookings_{model}_{page}": HOSTS
        for model in ("house", "party", "booking", "notice")
        for page in ("changelist", "change", "history")
    },
    **{
        f"bookings_{model}_{page}": NOBODY
        for model in ("house", "party", "booking", "notice")
        for page in ("add", "delete")
    },
    **{
        f"auth_{model}_{page}": OWNER
        for model in ("user", "group")
        for page in ("changelist", "add", "change", "history", "delete")
    },
    "auth_user_password_change": OWNER,
}
# Django's own ways in and out, its list of words for scripts, and addresses that lead to other addresses.
NOT_OURS = {"login", "logout", "password_change_done", "jsi18n", "autocomplete", "view_on_site", "app_list"}
SILENT = "No worker or clock has been seen"


@pytest.fixture
def rows() -> dict[str, int]:
    """One of everything, and the primary key that the addresses of each model take."""
    house, free, booking = make_house(), make_session(), make_booking()
    outbox.post(NoticeKind.CONFIRMED, booking.party, booking=booking, key="1", now=NOON)
    call_command("make_groups", stdout=StringIO())
    made = {
        House: house,
        Venue: booking.session.venue,
        Tour: booking.session.season.tour,
        Season: booking.session.season,
        TourSession: free,
        Party: booking.party,
        Booking: booking,
        Notice: Notice.objects.get(),
        Announcement: make_announcement(booking.session.season),
        MailText: MailText.objects.create(
            season=booking.session.season, kind="reminder", language="en", subject="Soon", changed_at=NOON
        ),
        User: User.objects.create_user("somebody"),
        Group: Group.objects.get(name="Gate"),
    }
    return {model.__name__.lower(): row.pk for model, row in made.items()}


def sign_in(client: Client, role: str) -> None:
    if role == "anonymous":
        return
    user = User.objects.create_user(role, is_staff=True, is_superuser=role == "superuser")
    if role in {"Gate", "Hosts"}:
        user.groups.add(Group.objects.get(name=role))
    client.force_login(user)


def addresses(patterns: list[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name


def address(name: str, rows: dict[str, int]) -> str:
    match name.split("_", 2):
        case ["bookings", "check", "in_act"]:
            return reverse(f"admin:{name}", args=[rows["booking"], "here"])
        case ["bookings", "roster"] | ["bookings", "check", "in"]:
            return reverse(f"admin:{name}", args=[rows["toursession"]])
        case ["bookings", "announcement", "html"]:
            return reverse(f"admin:{name}", args=[rows["announcement"], "en"])
        case ["bookings" | "auth", model, page] if page not in {"changelist", "add"}:
            return reverse(f"admin:{name}", args=[rows[model]])
    return reverse(f"admin:{name}")


def outcome(answer: Any) -> str:
    """Whether a page or its work was given, refused, or the way to sign in shown. Every row asked for exists."""
    if answer.status_code == 302 and reverse("admin:login") in answer["Location"]:
        return "sign in"
    return {200: "given", 302: "given", 303: "given", 409: "given", 403: "refused", 404: "refused"}[answer.status_code]


def test_every_address_of_the_admin_site_says_who_may_use_it():
    assert set(addresses(admin.site.get_urls())) - NOT_OURS == set(MAY_USE)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("role", ["anonymous", "no role", "Gate", "Hosts", "superuser"])
def test_each_role_uses_what_it_may_and_nothing_else(client, rows, role, method):
    sign_in(client, role)

    met = {name: outcome(getattr(client, method)(address(name, rows))) for name in MAY_USE}

    if role == "anonymous":
        assert met == dict.fromkeys(MAY_USE, "sign in")
    else:
        assert met == {name: "given" if role in roles else "refused" for name, roles in MAY_USE.items()}


def test_a_visitor_account_that_is_not_staff_signs_in_first(client, rows):
    client.force_login(User.objects.create_user("visitor"))

    met = {outcome(client.get(address(name, rows))) for name in MAY_USE}

    assert met == {"sign in"}


@pytest.mark.parametrize("action", ["publish", "close_sign_up", "call_off"])
def test_staff_who_only_read_sessions_change_none(client, rows, action):
    reader = User.objects.create_user("reader", is_staff=True)
    group = Group.objects.create(name="Readers")
    hosts = Group.objects.get(name="Hosts")
    group.permissions.set(hosts.permissions.filter(codename__startswith="view_"))
    reader.groups.add(group)
    client.force_login(reader)
    Season.objects.update(published=False)

    client.post(
        reverse("admin:bookings_toursession_changelist"),
        {"action": action, "_selected_action": [rows["toursession"]], "confirmed": "1", "reason_0": "x"},
    )

    session = TourSession.objects.get(pk=rows["toursession"])
    assert (session.season.published, session.closed_at, session.called_off_at) == (False, None, None)


@pytest.mark.parametrize(
    ("beat", "says"),
    [(None, f"{SILENT} yet."), (timedelta(minutes=3), f"{SILENT} for 3\xa0minutes."), (timedelta(0), None)],
)
def test_a_banner_says_on_every_page_of_staff_when_nobody_works(client, rows, beat, says):
    sign_in(client, "Hosts")
    if beat is not None:
        Heartbeat.objects.create(name="clock", seen_at=timezone.now() - beat)

    for name in ("index", "bookings_toursession_changelist", "bookings_season_change", "bookings_notice_preview"):
        page = client.get(address(name, rows)).content.decode()
        assert (name, SILENT in page) == (name, says is not None)
        assert says is None or says in page


def test_the_banner_counts_the_mails_that_wait(client, rows):
    sign_in(client, "Hosts")
    Notice.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=1))
    outbox.post(NoticeKind.LINK, make_party(), key="later", now=timezone.now() + timedelta(days=1))

    assert "1 mail waits in the outbox." in client.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize(
    ("is_open", "says"),
    [
        (False, "Mail is late: the first of “confirmations and changes” has waited for 3\xa0hours."),
        (True, "The mail server takes nothing."),
    ],
)
def test_the_banner_tells_of_mail_that_stands_still_while_the_clock_beats(client, rows, is_open, says):
    now = timezone.now()
    sign_in(client, "Hosts")
    Heartbeat.objects.create(name="clock", seen_at=now)
    long_ago = now - timedelta(hours=3)
    Notice.objects.update(next_attempt_at=long_ago, created_at=long_ago)
    Breaker.objects.create(pk=1, opened_at=long_ago if is_open else None, probe_at=now)

    for name in ("index", "bookings_season_overview"):
        page = client.get(address(name, rows)).content.decode()
        assert (name, says in page, "1 mail waits in the outbox." in page) == (name, True, True)


def test_whoever_signs_in_is_told_nothing_of_the_machinery(client, rows):
    assert SILENT not in client.get(reverse("admin:login")).content.decode()


def test_the_gate_finds_the_desk_on_its_first_page(client, rows):
    sign_in(client, "Gate")

    page = client.get(reverse("admin:index")).content.decode()

    assert f'<a class="button" href="{reverse("admin:bookings_desk")}">Desk</a>' in page
    assert "You don’t have permission to view or edit anything." not in page


def test_times_are_those_of_the_first_venue(client, rows):
    sign_in(client, "Hosts")
    Venue.objects.update(time_zone="Europe/Lisbon")

    assert "Times are those of Europe/Lisbon." in client.get(reverse("admin:index")).content.decode()


def test_without_a_venue_times_are_those_of_the_settings(client):
    sign_in(client, "superuser")

    assert "Times are those of UTC." in client.get(reverse("admin:index")).content.decode()
