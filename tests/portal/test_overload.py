"""Whoever cannot be answered is told so in words, in the own language, at once and without asking the database."""

import logging
import socket
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import Error, InterfaceError, OperationalError, ProgrammingError, connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from portal import overload
from portal.logs import KeysLeftOut
from tests.factories import make_booking
from tests.owed import in_threads
from tests.portal.visits import address, enter

# Of the page in words, whichever language they are in.
SIGNS = {"en": '<html lang="en">', "zh-hans": '<html lang="zh-Hans">'}


@pytest.fixture
def visitor_and_server() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection of which the visitor's has sent something."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as ours:
        ours.sendall(b"GET")
        theirs, _address = listening.accept()
        with theirs:
            theirs.settimeout(60)
            assert theirs.recv(3) == b"GET"
            yield ours, theirs


def told(client: Client, path: str, **more: Any) -> tuple[int, str]:
    """The status, and the language of the page that says it."""
    answer = client.get(path, **more)
    if answer.headers.get("Retry-After"):
        assert 'class="sign sign-ended"' in answer.text
    languages = [language for language, sign in SIGNS.items() if sign in answer.text]
    return answer.status_code, ",".join(languages)


def refuses(error: Exception, cause: Exception | None = None) -> AbstractContextManager[None]:
    """Every question to the database ends in this error."""

    def refuse(*_args):
        raise error from cause

    return connection.execute_wrapper(refuse)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_column_that_changes_its_type_under_a_prepared_statement_costs_one_answer(client: Client):
    def a_migration(length: int) -> None:
        """In a connection of its own, as in life: the one that changes a table forgets what it has prepared."""
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE bookings_party ALTER COLUMN phone TYPE varchar({length})")
        connection.close()

    party = make_booking().party
    enter(client, party)
    answers = [client.get(address(party)).status_code for _prepared in range(4)]
    in_threads(1, partial(a_migration, 60))
    try:
        answers += [client.get(address(party)).status_code for _again in range(2)]
    finally:
        in_threads(1, partial(a_migration, 40))
    assert answers == [200, 200, 200, 200, 503, 200]


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("the connection is lost"), InterfaceError("closed")])
def test_a_database_that_cannot_be_asked_is_told_in_words_in_both_languages(client: Client, error: Error):
    with refuses(error):
        assert told(client, "/en/") == (503, "en")
        assert told(client, "/zh-hans/privacy/") == (503, "zh-hans")
        answer = client.get("/en/sessions/1/")
    assert (answer["Cache-Control"], overload.SOONEST <= int(answer["Retry-After"]) <= overload.LATEST) == (
        "no-store",
        True,
    )


@pytest.mark.django_db
def test_where_a_middleware_asks_in_vain_the_answer_is_the_same(client: Client):
    client.raise_request_exception = False
    with refuses(OperationalError("away")):
        assert told(client, "/en/admin/") == (503, "en")


@pytest.mark.django_db
def test_what_is_our_mistake_is_not_called_busy(client: Client):
    client.raise_request_exception = False
    with refuses(ProgrammingError("no such table")):
        assert client.get("/en/").status_code == 500


def test_a_form_that_was_sent_is_said_to_be_safe_to_send_again(client: Client, visitor_and_server):
    ours, theirs = visitor_and_server
    ours.close()
    answer = client.post("/en/link/", **{"gunicorn.socket": theirs})
    assert (answer.status_code, "Asking twice never counts twice." in answer.text) == (503, True)


def test_nobody_works_for_a_visitor_who_has_left(client: Client, visitor_and_server):
    ours, theirs = visitor_and_server
    assert overload.not_worth_answering(theirs) == ""
    ours.close()
    assert overload.not_worth_answering(theirs) == "the visitor has left"
    assert told(client, "/en/", **{"gunicorn.socket": theirs}) == (503, "en")


def test_who_breaks_off_or_will_send_no_more_has_left(visitor_and_server):
    ours, theirs = visitor_and_server
    ours.shutdown(socket.SHUT_WR)
    assert overload.not_worth_answering(theirs) == "the visitor has left"
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ours.close()
    assert overload.not_worth_answering(theirs) == "the visitor has left"


def test_a_proxy_on_the_same_machine_leaves_too():
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(b"GET")
        assert overload.not_worth_answering(theirs) == ""
        ours.close()
        assert overload.not_worth_answering(theirs) == "the visitor has left"


def test_nobody_waits_for_longer_than_a_page_is_worth(client: Client, visitor_and_server, monkeypatch):
    _ours, theirs = visitor_and_server
    assert overload.not_worth_answering(theirs) == ""
    monkeypatch.setattr(overload, "SECONDS_WORTH_WAITING", -1.0)
    assert overload.not_worth_answering(theirs) == "waited for too long"
    assert told(client, "/zh-hans/", **{"gunicorn.socket": theirs}) == (503, "zh-hans")


def test_how_long_somebody_waited_is_known_of_a_connection_and_of_nothing_else(visitor_and_server, rf):
    visitor, theirs = visitor_and_server
    visitor.send(b"GET / HTTP/1.1\r\n")
    theirs.recv(100)
    known = overload.seconds_waited(rf.get("/", **{"gunicorn.socket": theirs}))
    assert known is not None
    assert 0 <= known < overload.SECONDS_WORTH_WAITING
    ours, other = socket.socketpair()
    with ours, other:
        of_the_machine = rf.get("/", **{"gunicorn.socket": ours})
        assert [overload.seconds_waited(request) for request in (rf.get("/"), of_the_machine)] == [None, None]


@pytest.mark.django_db
def test_who_watches_over_us_is_answered_all_the_same(client: Client, visitor_and_server):
    ours, theirs = visitor_and_server
    ours.close()
    assert client.get("/healthz", **{"gunicorn.socket": theirs}).status_code == 200


def test_a_socket_of_the_machine_itself_tells_whether_the_proxy_has_hung_up():
    proxy, ours = socket.socketpair()
    with proxy, ours:
        assert overload.not_worth_answering(ours) == ""
        proxy.close()
        assert overload.not_worth_answering(ours) == "the visitor has left"


@pytest.mark.django_db
def test_the_page_asks_the_database_nothing(
    client: Client, visitor_and_server, django_assert_num_queries: DjangoAssertNumQueries
):
    ours, theirs = visitor_and_server
    ours.close()
    overload.page.cache_clear()
    with django_assert_num_queries(0):
        assert told(client, "/en/", **{"gunicorn.socket": theirs}) == (503, "en")


def test_sqlite_is_busy_when_it_is_locked_and_wrong_when_a_table_is_missing(tmp_path: Path):
    with sqlite3.connect(tmp_path / "x.sqlite3", timeout=0) as one, sqlite3.connect(one_path(one), timeout=0) as other:
        one.execute("BEGIN IMMEDIATE")
        assert [cannot(other, "BEGIN IMMEDIATE"), cannot(other, "SELECT * FROM nothing")] == [True, False]
    one.close()
    other.close()


def one_path(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA database_list").fetchone()[2])


def cannot(connection: sqlite3.Connection, statement: str) -> bool:
    """What is said of the error, as Django passes it on."""
    error = OperationalError()
    with pytest.raises(sqlite3.OperationalError) as raised:
        connection.execute(statement)
    error.__cause__ = raised.value
    return overload.cannot_be_asked(error)


def test_what_the_web_server_says_of_a_party_s_page_leaves_its_key_out():
    says = logging.getLogger("gunicorn.error")
    [ours] = [each for each in logging.getLogger().handlers if any(isinstance(f, KeysLeftOut) for f in each.filters)]
    address = f"/en/visit/abc/{'0' * 43}/"
    record = says.makeRecord(says.name, logging.ERROR, "", 0, "Error handling request %s", (address,), None)
    ours.filter(record)
    assert (says.handlers, says.propagate, record.getMessage()) == ([], True, "Error handling request /en/visit/abc/…/")
