"""`python -m portal.worker`: the worker of `celery -A portal worker`, without the command line that Celery brings.

Celery's own command loads all its commands and a shell for them: about 10 MiB more, here as in beat (portal/clock.py).
"""

import argparse
import sys

from portal.celery import app


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m portal.worker", description="Do what is due, and hand mail over.")
    parser.add_argument("-c", "--concurrency", type=int, default=2, help="processes that work (2)")
    asked = parser.parse_args()
    worker = app.Worker(concurrency=asked.concurrency, without_mingle=True, without_gossip=True, quiet=True)
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
