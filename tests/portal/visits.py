"""How tests come to a party's own page: by its link, as from a mail."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connection
from django.test import Client

from bookings.models import Booking, Party


def address(party: Party, act: str = "", language: str = "en") -> str:
    return f"/{language}/visit/{party.code}/{act}"


def link(party: Party, language: str = "en") -> str:
    return address(party, f"{party.link_token}/", language)


def enter(client: Client, party: Party) -> Client:
    """Follow the link, so that the browser may open the party's page."""
    assert client.get(link(party)).status_code == 303
    return client


def press(client: Client, party: Party, act: str, booking: Booking | None = None, /, **given: Any) -> Any:
    """Press one button of the party's page; ``booking`` is the offer that the button stood beside."""
    return client.post(address(party, act), given | ({"booking": booking.pk} if booking else {}))


def dump() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of ours."""
    return dict(_tables())


def _tables() -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    for model in apps.get_models(include_auto_created=True):
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)} ORDER BY 1")
            yield table, cursor.fetchall()
