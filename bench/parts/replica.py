"""A read replica behind PostgreSQL while people sign up: how far behind it is, and what it costs.

A streaming replica is made of the bench's own PostgreSQL by `pg_basebackup`; then the journey is gone without it and
with it. At the end it must know every party, and refuse to write.
"""

import asyncio
import shutil
from functools import partial
from pathlib import Path

import psycopg

from bench import seasons
from bench.mailbox import MadeLinks
from bench.parts.journey import MANY, WEB, WITH_ROOM
from bench.parts.rush import at_share
from bench.report import Figure
from bench.run import Measured, Run
from bench.stack import DURABLE, Stack
from bench.usage import memory
from bench.visitors import Visitor, in_turns
from portal.processes import Child, wait_until
from portal.services import PostgresServer, ServiceMissing

COUNTED, WARM_UP = 160, 24
LOOK_EVERY = 0.05
PARTIES = "SELECT count(*) FROM bookings_party"


def measure(run: Run) -> list[Figure]:
    seasons.fresh_season(**WITH_ROOM)
    links = MadeLinks(run.servers.database_url())
    try:
        with run.stack("web") as stack:
            journey(run, stack, "warm", WARM_UP, links)
            alone = journey(run, stack, "alone", COUNTED, links)
            with Replica(run.servers.postgres) as server:
                if server.child:
                    stack.children["replica"] = server.child
                lag = Lag(run.servers.database_url())
                wait_until(lag.is_told, at_most=20)
                beside = journey(run, stack, "beside", COUNTED, links, lag)
                held = memory({"replica": stack.children.pop("replica").pid})["replica"]
                is_same = wait_until(lambda: asked(server.url) == asked(run.servers.database_url()), at_most=20)
                refuses = refuses_to_write(server.url)
                parties = asked(server.url)
    finally:
        links.close()
    seconds, behind = sorted(lag.seconds), max(lag.bytes, default=0)
    spent = [each.usage.of(*WEB) / COUNTED * 1000 for each in (alone, beside)]
    run.note(
        f"- replica: {COUNTED} sign-ups in {beside.seconds:.0f} s; {len(seconds)} looks at the lag; a sign-up's web and"
        f" PostgreSQL {spent[0]:.1f} CPU ms alone, {spent[1]:.1f} beside it (walsender included), the replica itself"
        f" {1000 * beside.usage.of('replica') / COUNTED:.1f}; memory {held:.0f} MiB PSS; foreign"
        f" {beside.usage.foreign:.0%}; {parties} parties on both: {is_same}; refuses to write: {refuses}"
    )
    return [
        Figure(
            "read replica under the journey: lag p50, p95, most, ms",
            ", ".join(f"{1000 * each:.1f}" for each in (at_share(seconds, 0.5), at_share(seconds, 0.95), seconds[-1])),
            "",
            "",
            is_same and refuses and not beside.errors,
            f"at most {behind / 1024:.0f} KiB behind; the replica {1000 * beside.usage.of('replica') / COUNTED:.1f} CPU"
            " ms a sign-up",
        )
    ]


class Lag:
    """As the primary is told: seconds until a commit could be read on the replica, and bytes still to be replayed."""

    def __init__(self, database_url: str) -> None:
        self.seconds: list[float] = []
        self.bytes: list[int] = []
        self._url = database_url

    def is_told(self) -> bool:
        """Whether the replica has begun to read what the primary writes."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            found = connection.execute("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").fetchone()
        return bool(found and found[0])

    async def watch(self) -> None:
        """Until it is cancelled."""
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            while True:
                found = await connection.execute(
                    "SELECT extract(epoch FROM replay_lag), pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)"
                    " FROM pg_stat_replication"
                )
                for seconds, behind in await found.fetchall():
                    if seconds is not None and behind is not None:
                        self.seconds.append(float(seconds))
                        self.bytes.append(int(behind))
                await asyncio.sleep(LOOK_EVERY)


class Replica(PostgresServer):
    """Begins as a copy of another, and then is told what that one writes."""

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__(primary.binaries, **DURABLE)
        self.primary = primary

    def initialise(self) -> None:
        beside = (self.binaries / "postgres").resolve().parent / "pg_basebackup"
        binary = str(beside) if beside.exists() else shutil.which("pg_basebackup")
        if not binary:
            raise ServiceMissing("There is no pg_basebackup on this machine (on Debian `apt install postgresql`).")
        copy: list[str | Path] = [binary, "--pgdata", self.data, "--host", self.primary.folder, "--username", "portal"]
        child = Child([*copy, "--write-recovery-conf", "--checkpoint", "fast", "--no-sync"], user=self.user)
        output, _ = child.process.communicate()
        child.kill()
        if child.process.returncode != 0:
            raise ServiceMissing(f"pg_basebackup failed:\n{output.decode(errors='replace')}")


def journey(run: Run, stack: Stack, name: str, number: int, links: MadeLinks, lag: "Lag | None" = None) -> Measured:
    visitors = [
        Visitor(n, 1 + n % 3, email=f"{name}-{n}@visitors.example", wants_the_first=True) for n in range(number)
    ]
    come = partial(in_turns, visitors=visitors, at_once=MANY)
    return run.visits(stack, lambda crowd: come(crowd), mailbox=links.link, beside=[lag.watch] if lag else [])


def asked(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(PARTIES).fetchone()
        return int(found[0]) if found else -1


def refuses_to_write(url: str) -> bool:
    with psycopg.connect(url) as connection:
        try:
            connection.execute("UPDATE bookings_party SET lapses = lapses")
        except psycopg.errors.ReadOnlySqlTransaction:
            return True
    return False
