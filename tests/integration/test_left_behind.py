"""What a target starts and leaves behind is ended with it, in whatever session it runs."""

import psutil
from recording import PYTHON, record

SERVICE = """
import subprocess, sys
service = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(service.pid)
service.returncode = 0  # or Python warns of what is left running
"""


def test_a_service_in_a_session_of_its_own_is_ended_with_the_target(tmp_path):
    recorded = record(tmp_path / "run", PYTHON, "-c", SERVICE)
    assert (recorded.outcome.status, recorded.stderr) == ("reached", "")
    assert not psutil.pid_exists(int(recorded.stdout))
