import os
import signal
import subprocess
import sys

import pytest

from portal.processes import PROJECT, wait_until

pytestmark = pytest.mark.any_database

# A parent that starts one tethered child, and says who that is.
PARENT = """
import subprocess, sys, time
from portal.processes import Child
child = Child([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"])
print(child.process.stdout.readline().decode(), flush=True)
time.sleep(600)
"""
# The same on a system that does not tell a child of its parent's death.
PARENT_ELSEWHERE = """
import os, subprocess, sys, time
lifeline, our_end = os.pipe()
command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
stay = f"import sys; from portal.tether import stay_beside; sys.exit(stay_beside({command!r}, lifeline={lifeline}))"
subprocess.Popen([sys.executable, "-c", stay], pass_fds=[lifeline], start_new_session=True)
time.sleep(600)
"""


@pytest.mark.parametrize("program", [PARENT, PARENT_ELSEWHERE], ids=["this system", "any other"])
def test_a_child_dies_with_a_parent_that_was_killed(program):
    with subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert lives(child)
        parent.send_signal(signal.SIGKILL)
        assert wait_until(lambda: not lives(child), at_most=60)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that nobody has waited for yet is dead all the same.
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not state.stdout.startswith("Z") and state.returncode == 0
