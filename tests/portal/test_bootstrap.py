import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from portal.bootstrap import LOCKS, PROJECT, InstallationFailed, install, python_of

pytestmark = pytest.mark.any_database


def make_wheel(folder: Path, *, version: str) -> Path:
    wheel = folder / f"tiny-{version}-py3-none-any.whl"
    files = {
        "tiny.py": f"VERSION = '{version}'\n",
        f"tiny-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"tiny-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(text)}")
        archive.writestr(f"tiny-{version}.dist-info/RECORD", "\n".join([*rows, f"tiny-{version}.dist-info/RECORD,,"]))
    return wheel


def lock_for(wheel: Path, *, digest: str = "") -> str:
    digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"tiny @ {wheel.as_uri()} --hash=sha256:{digest}\n"


def installed_version(environment: Path) -> str:
    asked = [str(python_of(environment)), "-c", "import tiny; print(tiny.VERSION)"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def test_a_lock_is_installed_without_ensurepip_once_and_again_when_it_changes(tmp_path, capsys):
    environment, lock = tmp_path / "environment", tmp_path / "lock.txt"
    lock.write_text(lock_for(make_wheel(tmp_path, version="1.0")))
    install("one", environment=environment, locks={"one": lock})
    assert installed_version(environment) == "1.0"
    assert "Installing 1 packages from lock.txt" in capsys.readouterr().out

    install("one", environment=environment, locks={"one": lock})
    assert capsys.readouterr().out == ""

    lock.write_text(lock_for(make_wheel(tmp_path, version="2.0")))
    install("one", environment=environment, locks={"one": lock})
    assert installed_version(environment) == "2.0"


def test_a_package_that_is_not_the_locked_one_is_refused_in_pips_own_words(tmp_path):
    environment, lock = tmp_path / "environment", tmp_path / "lock.txt"
    lock.write_text(lock_for(make_wheel(tmp_path, version="1.0"), digest="0" * 64))
    with pytest.raises(InstallationFailed, match="HASHES"):
        install("one", environment=environment, locks={"one": lock})


def test_each_lock_holds_the_versions_of_the_one_before():
    pins = [pinned(path) for path in LOCKS.values()]
    for smaller, larger in pairwise(pins):
        assert smaller <= larger


def pinned(lock: Path) -> set[str]:
    return {line.split("\\")[0].strip() for line in lock.read_text().splitlines() if "==" in line}


def test_no_lock_names_where_packages_come_from():
    for lock in LOCKS.values():
        assert "://" not in lock.read_text()


def test_another_command_without_django_says_what_to_do():
    # -S leaves out every installed package.
    asked = [sys.executable, "-S", "manage.py", "migrate"]
    ran = subprocess.run(asked, cwd=PROJECT, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "This Python has no Django. Run `python3 manage.py up` once; then `.venv/bin/python manage.py migrate`.\n"
    )
