"""What a line of the log looks like, and what never stands in one."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

# The addresses of a party that carry a token; see ``Party.link_token`` and ``Party.stop_token``.
LINK = re.compile(r"(/(?:visit|stop)/[^/\s]+/)[0-9a-f]{43}\b")


class KeysLeftOut(logging.Filter):
    """Django names the address of a request that fails; with a party's link, that would be the key to its page."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _without_key(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(_without_key(said) for said in record.args)
        return True


def _without_key(said: Any) -> Any:
    return LINK.sub(r"\1…", said) if isinstance(said, str) else said


class BusyIsToldElsewhere(logging.Filter):
    """Django's own line, with a trace, for each answer of 503; ``portal.overload`` says it once for many."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "status_code", None) != 503


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for machines that collect logs.

    Time, level, logger and sentence only: no request, no user, nothing that could carry somebody's data along.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
