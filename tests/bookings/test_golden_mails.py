"""Every mail word by word, as it was last looked at.

After a change that is meant: `REWRITE_GOLDEN=1 python3 manage.py test tests/bookings/test_golden_mails.py`, then read
the difference, and look at the mails (`tests/browser/test_mails.py`).
"""

import os

import pytest
from pytest_django import Settings

from tests.mail_gallery import GOLDEN, LANGUAGES, MAILS, mail

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def our_addresses(settings: Settings) -> None:
    settings.SITE_URL = "https://visits.works.example"
    settings.MAIL_FROM = "visits@works.example"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_as_it_was_last_looked_at(name: str, language: str):
    text, html = mail(name, language)
    files = {GOLDEN / language / f"{name}.txt": text, GOLDEN / language / f"{name}.html": html}
    if os.environ.get("REWRITE_GOLDEN"):
        for file, told in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(told, encoding="utf-8")
    assert {file: file.read_text(encoding="utf-8") for file in files} == files


def test_no_golden_file_is_left_of_a_mail_that_is_gone():
    expected = {f"{language}/{name}.{kind}" for language in LANGUAGES for name in MAILS for kind in ("txt", "html")}
    assert {str(file.relative_to(GOLDEN)) for file in GOLDEN.rglob("*.*")} == expected
