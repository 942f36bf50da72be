"""Replaces the address of the repository in the schema, the Go client and the docs: `home.py github.com/OWNER/NAME`.

Go needs a real address before others can import the client. The present one is in clients/go/go.mod. The script runs
under .tools/bin/python and generates all code again, because the compiled schema contains the address. It changes
nothing if a generator is missing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from proto import LANGUAGES  # type: ignore[attr-defined] # mypy takes the folder proto for it

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9._-]+)+")
GENERATED = ("clients/python/dragoman/v1", *(language.folder for language in LANGUAGES))


def main() -> None:
    if len(sys.argv) != 2 or not ADDRESS.fullmatch(sys.argv[1]):
        sys.exit(__doc__)
    if missing := [language.installer for language in LANGUAGES if not (ROOT / language.generator).exists()]:
        sys.exit(f"Generators are missing. Run this first: {' && '.join(missing)}")
    old, new = present(), sys.argv[1]
    changed = [file for file in sources() if replace(file, old, new)]
    print(f"{old} is now {new} in {len(changed)} files", flush=True)
    sys.exit(subprocess.run([sys.executable, "scripts/proto.py", "generate"], cwd=ROOT).returncode)


def present() -> str:
    """The address as it is."""
    module = (ROOT / "clients/go/go.mod").read_text().split(maxsplit=2)[1]
    return module.removesuffix("/clients/go")


def sources() -> Iterator[Path]:
    """The files of the repository that people write."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith(GENERATED) and (ROOT / name).is_file():
            yield ROOT / name


def replace(file: Path, old: str, new: str) -> bool:
    """Whether the file had the old address as a whole; it has the new one then."""
    content = file.read_bytes()
    changed = re.sub(rb"(?<![\w.])" + re.escape(old).encode() + rb"(?![\w-])", new.encode(), content)
    if changed != content:
        file.write_bytes(changed)
    return changed != content


if __name__ == "__main__":
    main()
