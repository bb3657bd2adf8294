"""The page of docs/compliance.md says what the rows and the tests say."""

import subprocess
import sys

from tests.compliance.__main__ import ROOT


def test_the_page_is_current_and_every_claim_has_a_test() -> None:
    command = [sys.executable, "-m", "tests.compliance", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
