import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from portal.processes import PROJECT, wait_until
from portal.testing import verdict

pytestmark = pytest.mark.any_database

WAITS = """
import os, pathlib, time

def test_that_waits():
    pathlib.Path(os.environ["REACHED"]).touch()
    time.sleep(600)
"""


def test_a_choice_of_tests_may_leave_one_run_empty_but_not_both():
    assert [verdict(results) for results in ([0, 5], [5, 0], [5, 5], [1, 0], [0, 1], [0, 0])] == [0, 0, 5, 1, 1, 0]


def test_without_chromium_the_browser_tests_fail_with_what_to_install():
    ran = subprocess.run(
        [sys.executable, "manage.py", "test", "--browser", "--collect-only"],
        cwd=PROJECT,
        env={"PATH": "", "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("The tests cannot run. The browser tests need Chromium: install it")


# As a shell starts what follows it with "&": deaf to Ctrl-C's signal.
IN_THE_BACKGROUND = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"]


def test_an_interrupted_run_leaves_neither_servers_nor_files():
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        test, reached, temporary = Path(folder, "test_waits.py"), Path(folder, "reached"), Path(folder, "tmp")
        test.write_text(WAITS)
        temporary.mkdir()
        Path(folder).chmod(0o755)
        temporary.chmod(0o1777)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        run = subprocess.Popen(
            [
                *IN_THE_BACKGROUND,
                sys.executable,
                "manage.py",
                "test",
                "--postgres-only",
                "-c",
                "pyproject.toml",
                str(test),
            ],
            cwd=PROJECT,
            env={**kept, "TMPDIR": str(temporary), "REACHED": str(reached)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert wait_until(lambda: reached.exists() or run.poll() is not None, at_most=180)
        assert run.poll() is None, run.stdout.read() if run.stdout else ""
        everybody = psutil.Process(run.pid).children(recursive=True)
        assert {"postgres", "valkey-server"} & {process.name() for process in everybody}
        run.terminate()
        assert run.wait(timeout=120) == 130
        assert [process for process in everybody if process.is_running()] == []
        assert list(temporary.iterdir()) == []
        if run.stdout:
            run.stdout.close()
