#!/usr/bin/env python3
"""Django's command line, plus `up` and `test`, which need nothing but Python."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said before anything newer is read
    sys.exit("The visitor portal needs Python 3.11 or newer; this is Python %d.%d." % sys.version_info[:2])  # noqa: UP031

from portal.bootstrap import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
