"""Where visitors find the link to their page: in the mail that the server took, or made as the mail would make it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from bookings.emails.links import party_link
from bookings.models import Party, person_key

LOOK_AGAIN_AFTER = 0.05


class Mail:
    """Reads what ``bench.mail_sink`` writes: when which address was written to, and the link in it."""

    def __init__(self, arrivals: Path) -> None:
        self._path = arrivals
        self._read_to = 0
        self._links: dict[str, asyncio.Future[str]] = {}
        self.times: dict[str, float] = {}

    async def link(self, email: str) -> str:
        return await self._future(email)

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_AGAIN_AFTER)

    def look(self) -> None:
        if not self._path.exists():
            return
        with self._path.open() as told:
            told.seek(self._read_to)
            for line in told:
                if not line.endswith("\n"):
                    break
                self._read_to += len(line.encode())
                moment, email, link = line.rstrip("\n").split(" ", 2)
                self.times.setdefault(email, float(moment))
                future = self._future(email)
                if link and not future.done():
                    future.set_result(urlsplit(link).path)

    def _future(self, email: str) -> "asyncio.Future[str]":
        return self._links.setdefault(email, asyncio.get_running_loop().create_future())


class MadeLinks:
    """Made as the mail would make it, without waiting for one: for what is measured without a worker."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)

    async def link(self, email: str) -> str:
        row = self._connection.execute(
            "SELECT code, link_version FROM bookings_party WHERE person_key = %s ORDER BY id DESC", [person_key(email)]
        ).fetchone()
        if row is None:
            raise LookupError(f"no party of {email}")
        return urlsplit(party_link(Party(code=row[0], link_version=row[1], language="en"))).path

    def close(self) -> None:
        self._connection.close()


@contextmanager
def watched(mail: Mail) -> Iterator[Mail]:
    """Within a running loop."""
    task = asyncio.ensure_future(mail.watch())
    try:
        yield mail
    finally:
        task.cancel()
