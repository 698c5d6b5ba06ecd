import os
import subprocess
import sys

import pytest

from portal.processes import PROJECT

pytestmark = pytest.mark.any_database

COMPLETE = {
    "SITE_URL": "https://visits.example.org",
    "DATABASE_URL": "postgresql://portal:secret@db.example.org:5432/portal?sslmode=require",
    "REDIS_URL": "redis://redis.example.org:6379/0",
    "EMAIL_URL": "smtp://portal:secret@mail.example.org:587?tls=starttls",
    "MAIL_FROM": "Factory visits <visits@example.org>",
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghi",
    "PERSON_KEY": "9876543210abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghi",
    "ALLOWED_HOSTS": "visits.example.org",
}


def run(*arguments, **variables):
    """A command with these variables and nothing of the tests' own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def refusal(**variables):
    ran = run("check", **variables)
    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 1
    return ran.stderr


def test_production_with_nothing_but_its_address_names_everything_that_is_missing():
    said = refusal(SITE_URL="https://visits.example.org")
    for name in COMPLETE.keys() - {"SITE_URL"}:
        assert f"{name} is missing" in said


@pytest.mark.parametrize("name", sorted(COMPLETE.keys() - {"SITE_URL"}))
def test_production_refuses_to_start_without_one_of_them(name):
    without = {key: value for key, value in COMPLETE.items() if key != name}
    assert refusal(**without) == f"The portal does not start: {name} is missing.\n"


MALFORMED = {
    "SITE_URL": "visits.example.org/tours",
    "DATABASE_URL": "mysql://db/portal",
    "REDIS_URL": "localhost:6379",
    "EMAIL_URL": "smtp://mail.example.org:many",
    "MAIL_FROM": "Factory visits",
    "SECRET_KEY": "short",
    "PERSON_KEY": "x" * 60,
    "TRUSTED_PROXIES": "10.0.0.1/8",
    "LARGE_NETWORKS": "unix",  # It is a proxy's, and nobody's network.
}


@pytest.mark.parametrize("name", sorted(MALFORMED))
def test_production_names_what_is_malformed(name):
    assert name in refusal(**{**COMPLETE, name: MALFORMED[name]})


def test_a_complete_production_passes_djangos_own_checks_for_deployment():
    ran = run("check", "--deploy", "--fail-level", "WARNING", **COMPLETE, TRUSTED_PROXIES="10.0.0.0/8")
    assert (ran.returncode, ran.stdout) == (0, "System check identified no issues (0 silenced).\n"), ran.stderr
