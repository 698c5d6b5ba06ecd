"""What long lines cost: `python -m bench.waitlist`. Takes a few minutes; needs what `requirements/test.txt` installs.

Starts a PostgreSQL server for `bench.long_lines`, which prints what it costs to serve one freed place and to look at a
party's page: queries, rows and pages read, milliseconds.
"""

import os
import runpy

import django

from portal.services import start_postgres


def main() -> None:
    server = start_postgres()
    try:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "DATABASE_URL": server.url}
        django.setup()
        runpy.run_module("bench.long_lines", run_name="__main__")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
