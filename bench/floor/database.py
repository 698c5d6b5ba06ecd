"""The floor's own database on the same server, and its links. Plain SQL: Django here is the portal's."""

import psycopg
from django.core.signing import Signer

from bench.floor.words import SALT, TABLES


def make(url: str, floor_url: str, *, sessions: int, places: int, parties: int) -> None:
    """Anew, with so many sessions of this size."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("DROP DATABASE IF EXISTS floor WITH (FORCE)")
        server.execute("CREATE DATABASE floor")
    with psycopg.connect(floor_url) as database:
        database.execute(TABLES)
        for pk in range(1, sessions + 1):
            database.execute(
                "INSERT INTO tour_session VALUES (%s, %s, 0, 0, %s, %s)", [pk, f"Session {pk}", places, parties]
            )


class FloorLinks:
    def __init__(self, floor_url: str) -> None:
        self._connection = psycopg.connect(floor_url, autocommit=True)

    async def link(self, email: str) -> str:
        row = self._connection.execute("SELECT max(id) FROM party WHERE email = %s", [email]).fetchone()
        if row is None or row[0] is None:
            raise LookupError(f"no party of {email}")
        return f"/en/visit/{row[0]}/{Signer(salt=SALT).signature(str(row[0]))}/"

    def close(self) -> None:
        self._connection.close()
