"""Lists what the images are made of, in CycloneDX: `sbom.py FOLDER`, or `sbom.py FOLDER PYTHON` for one environment.

It installs the lock files of both images and our wheels into an environment of its own, as the Dockerfile does, and
writes a list for each. What the base image holds is not in it, nor are the weights of the embedded model.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from dist import ROOT, VERSION, fresh, http2_wheel, python_wheels, run  # type: ignore[import-not-found]

TOOL = ROOT / ".tools/bin/cyclonedx-py"
INSTALLED = """
import json
from importlib.metadata import distributions
print(json.dumps({found.name: found.version for found in distributions()}))
"""


def main() -> None:
    output = Path(sys.argv[1]).resolve()
    output.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 2:
        listed(Path(sys.argv[2]), output / "environment.cdx.json")
        return
    folder = fresh("sbom")
    venv.create(folder)
    python = folder / "bin/python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet")
    wheels = [*python_wheels(output), *http2_wheel(output)]
    # By name, because a path of this machine would be in the list.
    ours = ("--no-index", "--find-links", str(output), *(wheel.name.partition("-")[0] for wheel in wheels))
    for image, lock in (("-minimal", "minimal"), ("", "runtime")):
        run(*pip, "install", "--no-deps", "--require-hashes", "--requirement", f"requirements/{lock}.lock")
        run(*pip, "install", "--no-deps", *ours)
        run(*pip, "uninstall", "--yes", "setuptools")
        listed(python, output / f"dragoman-{VERSION}{image}.cdx.json")


def listed(python: Path, file: Path) -> None:
    """Writes the list of an environment, and exits if an installed distribution is missing in it."""
    options = ("--pyproject", "pyproject.toml", "--output-reproducible", "--output-file", str(file))
    run(TOOL, "environment", *options, str(python))
    missing = unlisted(installed(python), json.loads(file.read_text()))
    if missing:
        sys.exit(f"{file.name} lacks {', '.join(missing)}")
    print(f"{file.name}  {len(json.loads(file.read_text())['components'])} components")


def installed(python: Path) -> dict[str, str]:
    """The distributions of an environment, name → version."""
    done = subprocess.run([python, "-c", INSTALLED], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def unlisted(distributions: dict[str, str], document: dict[str, Any]) -> list[str]:
    """The distributions that a list does not name with their version."""
    entries = [*document["components"], document["metadata"]["component"]]
    known = {(normal(entry["name"]), entry.get("version")) for entry in entries}
    return sorted(name for name, version in distributions.items() if (normal(name), version) not in known)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
