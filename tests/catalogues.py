"""Are the catalogues fresh? Run by ``.ci/run`` as ``python -m tests.catalogues``; needs GNU gettext.

Completeness and the compiled files are checked by ``tests/test_catalogues.py``, which needs nothing but Python.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ["zh_Hans"]


def po_file(root: Path, language: str) -> Path:
    return root / "locale" / language / "LC_MESSAGES" / "django.po"


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def keys(catalog: Catalog) -> set[tuple[str, object]]:
    return {(message.context or "", message.id) for message in catalog if message.id}


def main() -> int:
    stale = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "portal"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", "var", ".git", "node_modules", "tests"))
        for language in LANGUAGES:
            subprocess.run(
                [sys.executable, "manage.py", "makemessages", "-l", language, "--no-wrap", "--no-location"],
                cwd=copy,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            committed, extracted = keys(read(po_file(ROOT, language))), keys(read(po_file(copy, language)))
            for key in sorted(extracted - committed, key=str):
                print(f"{language}: not in the catalogue: {key[1]!r}")
            for key in sorted(committed - extracted, key=str):
                print(f"{language}: in the catalogue, but nowhere in the code: {key[1]!r}")
            stale += len(committed ^ extracted)
    print("Catalogues are fresh." if not stale else f"{stale} messages differ: run makemessages and translate.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
