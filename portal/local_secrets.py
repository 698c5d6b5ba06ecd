"""Keys for one machine: made once, kept in a file that only its owner can read. Production gives its own."""

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

NAMES = ("SECRET_KEY", "PERSON_KEY")


def read_or_make(path: Path) -> dict[str, str]:
    """Whoever comes first makes the file; everybody reads the same one, since a link is never made twice."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({name: secrets.token_urlsafe(48) for name in NAMES}, file)
        with suppress(FileExistsError):
            path.hardlink_to(unfinished)
        unfinished.unlink()
    kept: dict[str, str] = json.loads(path.read_text())
    return kept
