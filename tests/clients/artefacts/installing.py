"""Where things are, and how commands are run, in the tests of the artefacts."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / ".tools" / "bin"
PROGRAMS = Path(__file__).parent / "programs"
LIMIT = 900  # seconds


def run(folder: Path, *command: str | Path) -> str:
    """The output of a command that has to succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout
