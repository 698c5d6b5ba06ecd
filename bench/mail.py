"""What handing over many reminders costs: `python -m bench.mail [960 10000 100000]`. Needs `requirements/test.txt`.

Starts PostgreSQL, a broker, a beat, a worker of two processes and a mail server that keeps each mail on the disk, and
lets so many reminders come due at one moment. Beside it, in the same run and to the same server, one bare loop of
smtplib with a text that is ready. Last, what of a worker's CPU goes where.
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
        runpy.run_module("bench.mail_run", run_name="__main__", alter_sys=False)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
