"""Checks deploy/systemd/dragoman.service with systemd-analyze: its syntax, and how far the service is shut in.

It says so if systemd-analyze is missing, and checks nothing then.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "dragoman.service"
MOST_EXPOSED = 20  # of 100


def main() -> int:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        print("unit: not checked, because systemd-analyze is missing (Debian: apt-get install systemd)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        unit = Path(folder) / UNIT.name
        # A program that exists here: `verify` looks for the one that is installed.
        unit.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text()))
        for check in (("verify",), ("security", "--offline=true", f"--threshold={MOST_EXPOSED}")):
            done = subprocess.run([analyze, *check, "--no-pager", unit], capture_output=True, text=True, check=False)
            complaints = done.stderr if check[0] == "verify" else ""
            if done.returncode or complaints:
                print(f"unit: systemd-analyze {check[0]} fails\n{done.stdout}{done.stderr}")
                return 1
            print(f"unit: systemd-analyze {' '.join(check)}: {(done.stdout.strip().splitlines() or ['clean'])[-1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
