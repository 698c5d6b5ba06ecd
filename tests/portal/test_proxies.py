import pytest
from django.core.checks import run_checks
from django.test import RequestFactory

from portal.proxies import (
    UNKNOWN,
    believe_only_named,
    network_of,
    one_of,
    say_that_a_proxy_tells_nobody,
    say_that_nobody_is_believed,
)

OURS = ["10.0.0.0/8", "2001:db8:ffff::/48"]


def asked_by(sender: str, *, forwarded: str = "", trusted: list[str] = OURS) -> dict[str, str]:
    meta = {"REMOTE_ADDR": sender, "HTTP_X_FORWARDED_FOR": forwarded, "HTTP_X_FORWARDED_PROTO": "https"}
    believe_only_named(meta, trusted)
    return meta


def test_by_default_nobody_is_believed_and_nothing_that_was_said_is_left():
    assert asked_by("192.0.2.1", forwarded="203.0.113.9", trusted=[]) == {"REMOTE_ADDR": "192.0.2.1"}


def test_a_stranger_is_not_believed_where_others_are():
    assert asked_by("192.0.2.1", forwarded="203.0.113.9") == {"REMOTE_ADDR": "192.0.2.1"}


def test_a_named_proxy_says_who_asks_and_how():
    assert asked_by("10.1.1.1", forwarded="203.0.113.9") == {
        "REMOTE_ADDR": "203.0.113.9",
        "HTTP_X_FORWARDED_FOR": "203.0.113.9",
        "HTTP_X_FORWARDED_PROTO": "https",
    }


@pytest.mark.parametrize(
    ("forwarded", "visitor"),
    [
        ("198.51.100.7, 203.0.113.9", "203.0.113.9"),  # what the visitor wrote before our proxy added whom it saw
        ("203.0.113.9, 10.2.2.2, 10.3.3.3", "203.0.113.9"),  # three proxies of ours in a row
        ("10.2.2.2", "10.2.2.2"),  # somebody inside
        ("", "10.1.1.1"),  # the proxy asks for itself
        ("203.0.113.9, unknown", ""),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("203.0.113.9:5123", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_the_visitor_is_the_last_whom_none_of_ours_has_named(forwarded, visitor):
    assert asked_by("10.1.1.1", forwarded=forwarded)["REMOTE_ADDR"] == visitor


def test_whoever_comes_over_a_unix_socket_is_believed_only_where_it_is_named():
    assert asked_by("", forwarded="203.0.113.9")["REMOTE_ADDR"] == ""
    assert asked_by("", forwarded="203.0.113.9", trusted=["unix"])["REMOTE_ADDR"] == "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "one", "network"),
    [
        ("203.0.113.9", "203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.0/24"),
    ],
)
def test_who_asks_is_an_address_or_the_sixty_four_bits_that_one_customer_has(address, one, network):
    request = RequestFactory().get("/", REMOTE_ADDR=address)
    assert (one_of(request), network_of(request)) == (one, network)


@pytest.mark.parametrize(
    ("address", "one", "network"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.0/24"),
        ("172.18.0.1", "172.18.0.1", "172.18.0.0/24"),
        ("::ffff:10.0.0.3", "10.0.0.3", "10.0.0.0/24"),
        ("::1", "::/64", "::/48"),
        ("fd00:1:2::3", "fd00:1:2::/64", "fd00:1:2::/48"),
        ("", UNKNOWN, UNKNOWN),  # over a Unix socket
    ],
)
def test_an_address_inside_the_house_is_nobody_in_particular_until_proxies_are_named(settings, address, one, network):
    request = RequestFactory().get("/", REMOTE_ADDR=address)
    assert (one_of(request), network_of(request)) == ("", "")
    settings.TRUSTED_PROXIES = ["192.168.0.1"]
    assert (one_of(request), network_of(request)) == (one, network)


@pytest.mark.django_db
def test_a_header_that_nobody_believes_is_told_once(client, caplog):
    say_that_nobody_is_believed.cache_clear()
    for _ in range(3):
        client.get("/healthz", headers={"X-Forwarded-For": "203.0.113.9"})
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "A request came with X-Forwarded-For, and TRUSTED_PROXIES names nobody"
    ]
    assert "203.0.113" not in caplog.text


def test_a_named_proxy_that_tells_nobody_is_told_once(settings, caplog):
    say_that_a_proxy_tells_nobody.cache_clear()
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "unix"]
    for visitor in ("203.0.113.9", "10.2.2.2"):
        one_of(RequestFactory().get("/", headers={"X-Forwarded-For": visitor}, REMOTE_ADDR=visitor))
    assert caplog.records == []
    for sender in ("10.1.1.1", "", "10.1.1.1"):
        one_of(RequestFactory().get("/", REMOTE_ADDR=sender))
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "A server that TRUSTED_PROXIES names sends no X-Forwarded-For"
    ]


def test_without_named_proxies_the_check_before_a_deployment_says_what_follows(settings):
    settings.TRUSTED_PROXIES, settings.IS_HTTPS = [], True
    assert [warning.id for warning in run_checks(include_deployment_checks=True) if "portal" in str(warning.id)] == [
        "portal.W001"
    ]
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert [warning for warning in run_checks(include_deployment_checks=True) if "portal" in str(warning.id)] == []
