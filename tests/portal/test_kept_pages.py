"""The pages that are the same for everybody, made once a second: nobody sees it, and nobody sees what is another's."""

import re
from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from bookings.models import TourSession
from tests.factories import DAY, NOON, START, make_season, make_session
from tests.portal.pages import links, rows, words


def take_one(session: TourSession) -> None:
    TourSession.objects.filter(pk=session.pk).update(places_held=3, parties_held=1, parties_offered=0)


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock", "house")
@pytest.mark.parametrize("accepts", ["", "gzip, br"])
def test_what_is_kept_is_what_was_made_and_asks_the_database_nothing(client, accepts, django_assert_num_queries):
    session = make_session()
    closed = make_session(season=session.season, closed_at=NOON)
    later = make_session(season=make_season(opens_at=NOON + DAY))
    addresses = {
        "/en/": 200,
        "/zh-hans/?only=weekday&season=1": 200,
        f"/en/sessions/{session.pk}/": 200,
        f"/en/sessions/{session.pk}/asked/": 200,
        f"/en/sessions/{closed.pk}/sign-up/": 410,
        f"/en/sessions/{later.pk}/sign-up/": 200,
        "/en/sessions/999999/": 404,
        "/en/sessions/999999/sign-up/": 404,
        f"/en/tours/{session.season.tour.slug}/": 200,
        f"/en/seasons/{session.season.pk}/calendar.ics": 200,
        "/en/privacy/": 200,
        "/en/link/asked/": 200,
    }

    def all_pages() -> list[tuple[int, dict[str, str], bytes, dict[str, object]]]:
        answers = [client.get(address, headers={"accept-encoding": accepts}) for address in addresses]
        return [(each.status_code, dict(each.headers), each.content, dict(each.cookies)) for each in answers]

    made = all_pages()
    with django_assert_num_queries(0):
        kept = all_pages()

    assert kept == made
    assert [status for status, *_ in kept] == list(addresses.values())
    encodings = {(headers["Vary"], headers.get("Content-Encoding")) for _, headers, *_ in kept}
    assert encodings == {("Accept-Encoding", "gzip" if accepts else None)}
    assert [cookies for *_, cookies in kept if cookies] == []
    assert all("Content-Security-Policy" in headers and "Portal-Keeps-Page" not in headers for _, headers, *_ in kept)


@pytest.mark.django_db
@pytest.mark.usefixtures("clock")
def test_what_the_ledger_says_is_seen_within_the_second(client, own_clock):
    session = make_session(capacity=4)
    address = f"/en/sessions/{session.pk}/"
    before = client.get(address)
    assert "4 places are free" in words(before)

    take_one(session)
    own_clock.now += 0.9
    assert client.get(address).content == before.content
    own_clock.now += 0.2
    after = client.get(address, headers={"if-none-match": before["ETag"]})
    assert (after.status_code, "1 place is free" in words(after)) == (200, True)


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_whoever_has_the_page_is_told_so_and_gets_nothing(client):
    address = f"/en/sessions/{make_session().pk}/"
    first = client.get(address)
    for tags in (first["ETag"], first["ETag"].removeprefix("W/"), f'"other", {first["ETag"]}', "*"):
        again = client.get(address, headers={"if-none-match": tags})
        assert (again.status_code, again.content) == (304, b"")
        assert dict(again.headers) == {
            "Cache-Control": "public, max-age=1",
            "ETag": first["ETag"],
            "Vary": "Accept-Encoding",
        }
    assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_neither_cookies_nor_headers_make_another_page(client, django_assert_num_queries):
    make_session()
    page = client.get("/en/")
    staff = Client()
    staff.force_login(get_user_model().objects.create_superuser("host", password="long-and-secret"))
    client.cookies["django_language"] = "zh-hans"
    with django_assert_num_queries(0):
        in_chinese = client.get("/en/", headers={"accept-language": "zh-CN"})
    assert (in_chinese.content, in_chinese["Content-Language"]) == (page.content, "en")
    assert (staff.get("/en/").content, staff.get("/en/").content) == (page.content, page.content)


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_languages_schemes_and_hosts_have_pages_of_their_own(client, settings):
    settings.ALLOWED_HOSTS = ["visits.works.example", "besuch.works.example"]
    session = make_session(capacity=9)
    besuch = {"host": "besuch.works.example"}
    asked = [
        partial(client.get, address, headers={"host": "visits.works.example"} | headers, secure=secure)
        for address, headers, secure in (
            ("/en/", {}, False),
            ("/zh-hans/", {}, False),
            ("/en/", besuch, False),
            ("/en/", {}, True),
        )
    ]
    made = []
    for places_held, ask in enumerate(asked):
        TourSession.objects.filter(pk=session.pk).update(places_held=places_held)
        made.append(rows(ask())[0])

    assert [rows(ask())[0] for ask in asked] == made
    assert [re.findall(r"(?<![0-9:])[6-9](?![0-9:])", row)[0] for row in made] == ["9", "8", "7", "6"]
    assert client.get("/en/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_what_no_page_reads_of_a_query_makes_no_page_and_stands_in_none(client, django_assert_num_queries):
    session = make_session()
    for number in range(5):
        make_session(season=session.season, starts_at=START + number * DAY, language="en")
    evil = client.get(f"/en/?utm=<b>&season={session.season.pk}&only=en&only=zh-hans&season=x")
    assert [link for link in links(evil) if "utm" in link or "season=x" in link] == []
    assert len(rows(evil)) == 1
    with django_assert_num_queries(0):
        assert client.get("/en/?only=zh-hans").content == evil.content
    full = client.get("/en/")
    with django_assert_num_queries(0):
        for query in ("fbclid=1", "season=7", "only=", "only=%00", "only=" + "x" * 13, "&".join(["a=1"] * 99)):
            assert client.get(f"/en/?{query}").content == full.content


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_a_query_of_whoever_comes_first_stands_in_nobody_elses_refusal(client):
    address = f"/en/sessions/{make_session(closed_at=NOON).pk}/sign-up/"
    assert "no-store" in client.get(f"{address}?mine=1")["Cache-Control"]
    assert "mine=1" not in client.get(address).content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "own_clock")
def test_a_form_is_never_kept_and_nothing_sent_is_answered_from_what_is(client):
    session = make_session()
    address = f"/en/sessions/{session.pk}/sign-up/"
    forms = [client.get(address), client.get(address)]
    assert {form["Cache-Control"] for form in forms} == {"private, no-store"}
    assert forms[0].content != forms[1].content, "each has its own token"

    TourSession.objects.update(closed_at=NOON)
    sent, closed = client.post(address), client.get(address)
    assert (sent.status_code, sent["Cache-Control"]) == (410, "private, no-store")
    TourSession.objects.update(closed_at=None)
    assert (closed.status_code, closed["Cache-Control"]) == (410, "public, max-age=1")
    assert (client.get(address).status_code, client.post(address).status_code) == (410, 422)
