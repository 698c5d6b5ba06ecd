"""A PgBouncer of our own in transaction mode, as docs/scaling.md describes it."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from portal.processes import Child, wait_until
from portal.services import UNPRIVILEGED_USER, ServiceMissing, short_temporary_folder
from portal.testing import find_pooler

PORT = 6432
CONFIGURATION = """
[databases]
* = host={server} port={port}

[pgbouncer]
listen_addr =
listen_port = {own_port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 500
"""


@contextmanager
def pooler(
    *, server: str, port: str | int, name: str, role: str, password: str = "", connections: int = 20
) -> Iterator[dict[str, str]]:
    """The variables of processes that come to this database through it; timeouts are the role's business then.

    Raises ServiceMissing.
    """
    binary = find_pooler()
    with tempfile.TemporaryDirectory(prefix="pooler-", dir=short_temporary_folder()) as folder_name:
        folder = Path(folder_name)
        (folder / "users").write_text(f'"{role}" "{password}"\n')
        settings = CONFIGURATION.format(server=server, port=port, own_port=PORT, folder=folder, connections=connections)
        (folder / "pgbouncer.ini").write_text(settings)
        # It refuses to run as root.
        user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        if user is not None:
            for path in (folder, *folder.iterdir()):
                os.chown(path, user, user)
        child = Child([binary, folder / "pgbouncer.ini"], output=subprocess.DEVNULL, user=user)
        try:
            if not wait_until(lambda: (folder / f".s.PGSQL.{PORT}").exists(), at_most=10):
                raise ServiceMissing(f"{binary} does not start")
            url = f"postgresql://{quote(role)}@/{quote(name)}?host={quote(str(folder), safe='')}&port={PORT}"
            yield {"DATABASE_URL": url, "DATABASE_POOLER": "on"}
        finally:
            child.stop(patience=5)
