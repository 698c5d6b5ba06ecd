import json
from pathlib import Path

import pytest

from portal import environment, local_secrets
from portal.environment import Environment

pytestmark = pytest.mark.any_database


def database(url, **how):
    env = Environment({"DATABASE_URL": url}, required=True)
    read = environment.database(env, Path("/var/x.sqlite3"), **{"pool": False, "timeouts": False, **how})
    assert env.problems == []
    return read


def test_a_database_behind_a_unix_socket():
    read = database("postgresql://portal@/visits?host=%2Ftmp%2Fhere&sslmode=disable")
    assert (read["HOST"], read["NAME"], read["USER"], read["PORT"]) == ("/tmp/here", "visits", "portal", "")
    assert read["OPTIONS"] == {"sslmode": "disable", "server_side_binding": True, "prepare_threshold": 2}


def test_a_password_may_hold_any_character():
    read = database("postgres://portal:p%40ss%2Fword@db:5433/visits")
    assert (read["PASSWORD"], read["HOST"], read["PORT"]) == ("p@ss/word", "db", "5433")


def read_bounce_address(given):
    env = Environment({"BOUNCE_ADDRESS": given}, required=True)
    return env.bounce_address("BOUNCE_ADDRESS"), env.problems


@pytest.mark.parametrize("given", ["", "bounces@works.example", "mail-back.1@visits.works.example"])
def test_the_address_for_reports_is_a_plain_one_or_missing(given):
    assert read_bounce_address(given) == (given, [])


@pytest.mark.parametrize(
    "given",
    ["bounces", "Reports <bounces@works.example>", "a+b@works.example", "x" * 21 + "@works.example", "ä@works.example"],
)
def test_an_address_to_which_no_mark_can_be_added_is_refused(given):
    problem = "BOUNCE_ADDRESS must be a plain mail address, such as bounces@example.org"
    assert read_bounce_address(given)[1] == [problem]


@pytest.mark.parametrize(("given", "problems"), [("", 0), ("0123456789-" * 5, 0), ("short", 1)])
def test_the_key_for_reports_may_be_missing_and_not_be_short(given, problems):
    env = Environment({"REPORT_KEY": given}, required=True)
    assert (env.optional_key("REPORT_KEY"), len(env.problems)) == (given, problems)


def test_a_pool_excludes_lasting_connections():
    read = database("postgres://db/visits", pool=True)
    assert read["CONN_MAX_AGE"] == 0
    assert read["OPTIONS"]["pool"] == {
        "min_size": 4,
        "max_size": 6,
        "timeout": 0.5,
        "max_waiting": 16,
        "reconnect_timeout": 1.0,
    }


def test_nothing_waits_for_ever_on_postgresql():
    read = database("postgres://db/visits", timeouts=True)
    assert read["OPTIONS"]["options"] == (
        "-c statement_timeout=10000 -c lock_timeout=3000 -c idle_in_transaction_session_timeout=15000"
    )


def test_nothing_is_set_on_a_connection_that_a_pooler_hands_to_others():
    read = database("postgres://db/visits", timeouts=True, pooler=True)
    assert ("options" in read["OPTIONS"], read["DISABLE_SERVER_SIDE_CURSORS"]) == (False, True)
    assert database("postgres://db/visits")["DISABLE_SERVER_SIDE_CURSORS"] is False


def test_an_sqlite_url_names_a_file():
    assert database("sqlite:////srv/visits.sqlite3")["NAME"] == "/srv/visits.sqlite3"
    assert database("sqlite:///srv/visits.sqlite3")["NAME"] == "/srv/visits.sqlite3"


@pytest.mark.parametrize(
    ("given", "for_celery", "for_the_cache"),
    [
        ("redis://:pw@host:6379/0", "redis://:pw@host:6379/0", "redis://:pw@host:6379/1"),
        ("rediss://host", "rediss://host", "rediss://host/1"),
        ("unix:///run/b.sock", "redis+socket:///run/b.sock?virtual_host=0", "unix:///run/b.sock?db=1"),
    ],
)
def test_queue_and_cache_have_a_database_each(given, for_celery, for_the_cache):
    parts = environment.broker(Environment({"REDIS_URL": given}, required=True))
    assert environment.celery_broker_url(parts) == for_celery
    assert environment.cache_url(parts) == for_the_cache


def test_a_mail_server_with_tls():
    read = environment.mail(Environment({"EMAIL_URL": "smtp://me:p%40ss@mail:465?tls=ssl"}, required=True), Path("/m"))
    assert (read.host, read.port, read.user, read.password, read.tls, read.starttls) == (
        "mail",
        465,
        "me",
        "p@ss",
        True,
        False,
    )


def test_local_keys_are_made_once_and_are_for_their_owner_only(tmp_path):
    made = local_secrets.read_or_make(tmp_path / "var" / "secrets")
    assert local_secrets.read_or_make(tmp_path / "var" / "secrets") == made
    assert (tmp_path / "var" / "secrets").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "var" / "secrets").read_text()) == made
    assert made["SECRET_KEY"] != made["PERSON_KEY"]
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secrets"]


@pytest.mark.parametrize(
    ("given", "number", "problems"),
    [
        ("", 2, []),
        ("5", 5, []),
        ("0", 2, ["MAIL_SENDERS must be a whole number above 0"]),
        ("many", 2, ["MAIL_SENDERS must be a whole number above 0"]),
    ],
)
def test_a_number_that_is_none_is_named(given, number, problems):
    env = Environment({"MAIL_SENDERS": given}, required=False)

    assert (env.number("MAIL_SENDERS", default=2), env.problems) == (number, problems)
