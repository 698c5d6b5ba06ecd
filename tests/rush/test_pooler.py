"""Sign-ups and their mails through a PgBouncer in transaction mode: nothing of ours lives in a connection."""

from collections import Counter
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from bench.pooler import pooler
from bookings.domain.invariants import broken_promises
from bookings.models import Notice, Party
from tests.processes import processes, wait_until
from tests.rush import loop
from tests.rush.test_rush import everybody_comes, make_sessions, parties_for
from tests.smtp import running_mail_server

VISITORS = 60
# Fewer than the threads of the web processes alone, so that a transaction seldom gets the connection of the last one.
CONNECTIONS = 3


@pytest.mark.pooler
@pytest.mark.postgres
@pytest.mark.usefixtures("transactional_db")
def test_everybody_signs_up_and_hears_of_it_through_a_pooler_that_hands_connections_around(tmp_path: Path):
    visitors = parties_for(make_sessions(capacity=20), 1, 2, 3, count=VISITORS)
    given = connection.settings_dict
    others = backends()
    behind = {"server": given["HOST"], "port": given["PORT"] or 5432, "name": given["NAME"], "connections": CONNECTIONS}

    with (
        running_mail_server() as mail,
        pooler(**behind, role=given["USER"], password=given["PASSWORD"]) as variables,
        processes(tmp_path, "web", "worker", "beat", email_url=mail.url, **variables) as running,
    ):
        running.wait_for_web()
        loop.run(everybody_comes(running, visitors))
        wait_until(lambda: not Notice.objects.unsettled().exists(), what="every mail")
        wait_until(lambda: len(backends() - others) <= CONNECTIONS, what="a connection that was given up")

    assert Counter(visitor.outcome for visitor in visitors) == {"asked": VISITORS}
    assert Counter(Party.objects.values_list("email", flat=True)) == Counter(visitor.email for visitor in visitors)
    assert Counter(mail.recipients) == Counter(visitor.email for visitor in visitors)
    assert list(broken_promises(now=timezone.now())) == []


def backends() -> set[int]:
    """Of this database, by their process."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = %s",
            ["client backend"],
        )
        return {pid for (pid,) in cursor}
